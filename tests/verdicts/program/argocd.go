package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"
	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	luajson "layeh.com/gopher-json"
)

// customizations is a folder with a folder for each group, with a folder for each kind.
type customizations string

// health is a verdict on one object.
type health struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

// action is what a person may do with an object.
type action struct {
	Name     string `json:"name"`
	Disabled bool   `json:"disabled"`
}

func byName(a, b action) int {
	return strings.Compare(a.Name, b.Name)
}

// healthStatuses are the words that Argo CD takes from a script.
var healthStatuses = []string{"Unknown", "Progressing", "Suspended", "Healthy", "Degraded", "Missing"}

func (c customizations) of(object *unstructured.Unstructured, parts ...string) string {
	kind := object.GroupVersionKind()
	return filepath.Join(append([]string{string(c), kind.Group, kind.Kind}, parts...)...)
}

// health runs the object's health check.
func (c customizations) health(object *unstructured.Unstructured) (health, error) {
	var said health
	if err := runScript(c.of(object, "health.lua"), object, &said); err != nil {
		return said, err
	}
	if !slices.Contains(healthStatuses, said.Status) {
		return said, fmt.Errorf("%q is no health status of Argo CD's", said.Status)
	}
	return said, nil
}

// discover tells which actions are offered for the object, in order of their names.
func (c customizations) discover(object *unstructured.Unstructured) ([]action, error) {
	var found map[string]action
	if err := runScript(c.of(object, "actions", "discovery.lua"), object, &found); err != nil {
		return nil, err
	}
	actions := make([]action, 0, len(found))
	for name, one := range found {
		actions = append(actions, action{Name: name, Disabled: one.Disabled})
	}
	slices.SortFunc(actions, byName)
	return actions, nil
}

// act gives the object as the action wants it.
func (c customizations) act(object *unstructured.Unstructured, name string) (map[string]any, error) {
	var changed map[string]any
	err := runScript(c.of(object, "actions", name, "action.lua"), object, &changed)
	return restoreEmptyMaps(changed, object.Object), err
}

// mergePatch is what Argo CD sends to the API server after an action.
func mergePatch(before, after map[string]any) (json.RawMessage, error) {
	was, err := json.Marshal(before)
	if err != nil {
		return nil, err
	}
	is, err := json.Marshal(after)
	if err != nil {
		return nil, err
	}
	return jsonpatch.CreateMergePatch(was, is)
}

// runScript runs a script over an object and decodes the table that it returns.
func runScript(path string, object *unstructured.Unstructured, into any) error {
	script, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	state, err := sandbox()
	if err != nil {
		return err
	}
	defer state.Close()
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	state.SetContext(ctx)
	state.SetGlobal("obj", toLua(state, object.Object))
	if err := state.DoString(string(script)); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	returned := state.Get(-1)
	if returned.Type() != lua.LTTable {
		return fmt.Errorf("%s: returned a %s, not a table", path, returned.Type())
	}
	text, err := luajson.Encode(returned)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return json.Unmarshal(text, into)
}

// deadline is ten times Argo CD's: a machine may be busier than this tests for.
const deadline = 10 * time.Second

// sandbox has what Argo CD gives to a script from argocd-cm, but for os.time and os.date: no string, math, io or os.
func sandbox() (*lua.LState, error) {
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	libraries := []struct {
		name string
		open lua.LGFunction
	}{
		{lua.LoadLibName, lua.OpenPackage},
		{lua.BaseLibName, lua.OpenBase},
		{lua.TabLibName, lua.OpenTable},
	}
	for _, library := range libraries {
		call := lua.P{Fn: state.NewFunction(library.open), Protect: true}
		if err := state.CallByParam(call, lua.LString(library.name)); err != nil {
			state.Close()
			return nil, err
		}
	}
	return state, nil
}

// toLua is the object as Lua sees it.
func toLua(state *lua.LState, value any) lua.LValue {
	switch value := value.(type) {
	case map[string]any:
		table := state.NewTable()
		for key, item := range value {
			table.RawSetString(key, toLua(state, item))
		}
		return table
	case []any:
		table := state.NewTable()
		for _, item := range value {
			table.Append(toLua(state, item))
		}
		return table
	case string:
		return lua.LString(value)
	case bool:
		return lua.LBool(value)
	case int64:
		return lua.LNumber(value)
	case float64:
		return lua.LNumber(value)
	case nil:
		return lua.LNil
	default:
		panic(fmt.Sprintf("no JSON value: %T", value))
	}
}

// restoreEmptyMaps does what Argo CD does after an action: Lua has one empty table, which comes back as a list.
func restoreEmptyMaps(after, before map[string]any) map[string]any {
	for key, was := range before {
		if is, found := after[key]; found {
			after[key] = restored(is, was)
		}
	}
	return after
}

func restored(is, was any) any {
	switch is := is.(type) {
	case map[string]any:
		if was, same := was.(map[string]any); same {
			return restoreEmptyMaps(is, was)
		}
	case []any:
		if was, differs := was.(map[string]any); differs && len(is) == 0 {
			return was
		}
		if was, same := was.([]any); same {
			for index := range min(len(is), len(was)) {
				is[index] = restored(is[index], was[index])
			}
		}
	}
	return is
}
