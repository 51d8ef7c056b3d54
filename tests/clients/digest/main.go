// Asks over HTTP digest with libraries that others wrote: a request as JSON on each line of standard input, its answer
// as JSON on a line of standard output. All requests of a run go over one transport.
//
//	client LIBRARY PUBLIC_KEY PRIVATE_KEY
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	icholy "github.com/icholy/digest"
	mongodb "github.com/mongodb-forks/digest"
)

type request struct {
	Method, URL, Accept, Body string
}

type answer struct {
	Status int    `json:"status"`
	Body   string `json:"body"`
	Error  string `json:"error"`
}

// Environment proxies are not for requests to the same machine.
func direct() *http.Transport {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil
	return transport
}

func transport(library, public, private string) (http.RoundTripper, error) {
	switch library {
	case "mongodb-forks":
		return mongodb.NewTransportWithHTTPTransport(public, private, direct()), nil
	case "icholy":
		return &icholy.Transport{Username: public, Password: private, Transport: direct()}, nil
	default:
		return nil, fmt.Errorf("unknown library %q", library)
	}
}

func send(client *http.Client, ask request) (answer, error) {
	var body io.Reader
	if ask.Body != "" {
		body = strings.NewReader(ask.Body)
	}
	req, err := http.NewRequest(ask.Method, ask.URL, body)
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Accept", ask.Accept)
	if ask.Body != "" {
		req.Header.Set("Content-Type", ask.Accept)
	}
	res, err := client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return answer{Status: res.StatusCode, Body: string(text)}, err
}

func run() error {
	if len(os.Args) != 4 {
		return fmt.Errorf("usage: %s LIBRARY PUBLIC_KEY PRIVATE_KEY", os.Args[0])
	}
	over, err := transport(os.Args[1], os.Args[2], os.Args[3])
	if err != nil {
		return err
	}
	client := &http.Client{Transport: over}
	lines := bufio.NewScanner(os.Stdin)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var ask request
		if err := json.Unmarshal(lines.Bytes(), &ask); err != nil {
			return err
		}
		got, err := send(client, ask)
		if err != nil {
			got.Error = err.Error()
		}
		if err := out.Encode(got); err != nil {
			return err
		}
	}
	return lines.Err()
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
