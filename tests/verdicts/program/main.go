// Command verdicts tells what GitOps tools make of objects: kstatus (Flux, Helm 4) and Argo CD with the scripts of a
// folder that is laid out as its resource_customizations.
//
//	verdicts judge FOLDER         objects from standard input, one JSON text each, to their verdicts
//	verdicts act FOLDER ACTION    one object to the actions that are offered for it and the merge patch that ACTION makes
//	verdicts examine FOLDER       runs the tests that the folder itself has
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// verdict is what both say of one object.
type verdict struct {
	ArgoCD  health `json:"argocd"`
	Kstatus health `json:"kstatus"`
}

// offer is what can be done with an object, and what one of it does.
type offer struct {
	Actions []action        `json:"actions"`
	Patch   json.RawMessage `json:"patch"`
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	switch {
	case len(arguments) == 2 && arguments[0] == "judge":
		return forEachObject(func(object *unstructured.Unstructured) (any, error) {
			return judge(customizations(arguments[1]), object)
		})
	case len(arguments) == 3 && arguments[0] == "act":
		return forEachObject(func(object *unstructured.Unstructured) (any, error) {
			return act(customizations(arguments[1]), arguments[2], object)
		})
	case len(arguments) == 2 && arguments[0] == "examine":
		return examine(customizations(arguments[1]), os.Stdout)
	default:
		return errors.New("usage: verdicts judge FOLDER | act FOLDER ACTION | examine FOLDER")
	}
}

// forEachObject writes one answer for each object that it reads.
func forEachObject(answer func(*unstructured.Unstructured) (any, error)) error {
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		// Decoded as clients of Kubernetes do it: whole numbers are int64, as in Argo CD's and Flux's own objects.
		var text json.RawMessage
		if err := in.Decode(&text); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		object := &unstructured.Unstructured{}
		if err := object.UnmarshalJSON(text); err != nil {
			return err
		}
		said, err := answer(object)
		if err != nil {
			return fmt.Errorf("%s %s at version %s: %w", object.GetKind(), object.GetName(), object.GetResourceVersion(), err)
		}
		if err := out.Encode(said); err != nil {
			return err
		}
	}
}

func judge(scripts customizations, object *unstructured.Unstructured) (any, error) {
	argocd, err := scripts.health(object)
	if err != nil {
		return nil, err
	}
	computed, err := status.Compute(object)
	if err != nil {
		return nil, err
	}
	return verdict{argocd, health{Status: string(computed.Status), Message: computed.Message}}, nil
}

func act(scripts customizations, name string, object *unstructured.Unstructured) (any, error) {
	actions, err := scripts.discover(object)
	if err != nil {
		return nil, err
	}
	changed, err := scripts.act(object, name)
	if err != nil {
		return nil, err
	}
	patch, err := mergePatch(object.Object, changed)
	return offer{actions, patch}, err
}
