package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// healthTests is a health_test.yaml.
type healthTests struct {
	Tests []struct {
		InputPath    string `json:"inputPath"`
		HealthStatus health `json:"healthStatus"`
	} `json:"tests"`
}

// actionTests is an action_test.yaml.
type actionTests struct {
	DiscoveryTests []struct {
		InputPath string   `json:"inputPath"`
		Result    []action `json:"result"`
	} `json:"discoveryTests"`
	ActionTests []struct {
		Action             string `json:"action"`
		InputPath          string `json:"inputPath"`
		ExpectedOutputPath string `json:"expectedOutputPath"`
	} `json:"actionTests"`
}

// examination is what the tests of a folder come to.
type examination struct {
	scripts customizations
	passed  int
	failed  []error
}

// examine runs all tests of the folder, as the test suite of Argo CD's repository does.
func examine(scripts customizations, out io.Writer) error {
	e := &examination{scripts: scripts}
	kinds, err := filepath.Glob(filepath.Join(string(scripts), "*", "*"))
	if err != nil {
		return err
	}
	for _, kind := range kinds {
		if err := e.healthTests(kind); err != nil {
			return err
		}
		if err := e.actionTests(filepath.Join(kind, "actions")); err != nil {
			return err
		}
	}
	if e.passed == 0 {
		e.failed = append(e.failed, errors.New("no test was found"))
	}
	fmt.Fprintln(out, e.passed)
	return errors.Join(e.failed...)
}

func (e *examination) healthTests(folder string) error {
	var tests healthTests
	if err := readStrictly(filepath.Join(folder, "health_test.yaml"), &tests); err != nil {
		return err
	}
	for _, test := range tests.Tests {
		path := filepath.Join(folder, test.InputPath)
		object, err := readObject(path)
		if err != nil {
			return err
		}
		said, err := e.scripts.health(object)
		e.compare(path, err, test.HealthStatus, said)
	}
	return nil
}

func (e *examination) actionTests(folder string) error {
	var tests actionTests
	if err := readStrictly(filepath.Join(folder, "action_test.yaml"), &tests); err != nil {
		return err
	}
	for _, test := range tests.DiscoveryTests {
		path := filepath.Join(folder, test.InputPath)
		object, err := readObject(path)
		if err != nil {
			return err
		}
		found, err := e.scripts.discover(object)
		slices.SortFunc(test.Result, byName)
		e.compare("discovery for "+path, err, test.Result, found)
	}
	for _, test := range tests.ActionTests {
		before, err := readObject(filepath.Join(folder, test.InputPath))
		if err != nil {
			return err
		}
		expected, err := readObject(filepath.Join(folder, test.ExpectedOutputPath))
		if err != nil {
			return err
		}
		changed, err := e.scripts.act(before, test.Action)
		what := fmt.Sprintf("%s of %s", test.Action, filepath.Join(folder, test.InputPath))
		e.compare(what, err, plain(expected.Object), plain(changed))
	}
	return nil
}

func (e *examination) compare(what string, err error, expected, found any) {
	switch {
	case err != nil:
		e.failed = append(e.failed, fmt.Errorf("%s: %w", what, err))
	case !reflect.DeepEqual(expected, found):
		e.failed = append(e.failed, fmt.Errorf("%s: expected %v, found %v", what, expected, found))
	default:
		e.passed++
	}
}

// plain is the value with one type of number.
func plain(value map[string]any) (same map[string]any) {
	text, err := json.Marshal(value)
	if err == nil {
		err = json.Unmarshal(text, &same)
	}
	if err != nil {
		panic(err) // It was JSON before.
	}
	return same
}

func readStrictly(path string, into any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := yaml.UnmarshalStrict(text, into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func readObject(path string) (*unstructured.Unstructured, error) {
	object := &unstructured.Unstructured{}
	return object, readStrictly(path, &object.Object)
}
