package server_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"

	"sluice/channel"
	"sluice/channel/message"
	"sluice/endpoint/endpointtest"
	"sluice/endpoint/server"
)

// openAPI reads docs/openapi.yaml.
func openAPI(t *testing.T) object {
	t.Helper()
	text, err := os.ReadFile("../../docs/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	document, err := readYAML(string(text))
	if err != nil {
		t.Fatal(err)
	}
	return document.(object)
}

// at is the value at a path of keys, of which there may be none.
func at(v any, keys ...string) any {
	for _, key := range keys {
		o, _ := v.(object)
		v = o[key]
	}
	return v
}

// Every route of the API is in the file, and nothing else.
func TestOpenAPIRoutes(t *testing.T) {
	s, err := server.New(endpointtest.Options(withAPI))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Shutdown(t.Context())
	document := openAPI(t)
	prefix := at(document["servers"].([]any)[0], "url").(string)
	var served, written []string
	chi.Walk(s.Routes("main"), func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		if path, ok := strings.CutPrefix(route, prefix); ok {
			served = append(served, method+" "+path)
		}
		return nil
	})
	for path, methods := range document["paths"].(object) {
		for method := range methods.(object) {
			written = append(written, strings.ToUpper(method)+" "+path)
		}
	}
	slices.Sort(served)
	slices.Sort(written)
	if !slices.Equal(served, written) || len(served) < 10 {
		t.Errorf("served:  %v\nwritten: %v", served, written)
	}
}

// Every example is a request that the server takes; its answer, and the answers in the file, are what the schemas say.
func TestOpenAPIExamples(t *testing.T) {
	document := openAPI(t)
	for path, methods := range document["paths"].(object) {
		for method, operation := range methods.(object) {
			answers := at(operation, "responses", "200", "content", "application/json")
			for name, example := range examplesOf(answers) {
				if err := fitsSchema(document, at(answers, "schema"), at(example, "value")); err != nil {
					t.Errorf("%s: the answer %s: %v", path, name, err)
				}
			}
			try := func(name, query string, body any) {
				t.Run(strings.TrimPrefix(path, "/")+" "+name, func(t *testing.T) {
					tryExample(t, document, strings.ToUpper(method), path, query, body, at(answers, "schema"))
				})
			}
			if method == "get" {
				try("plain", "", nil)
			}
			parameters, _ := at(operation, "parameters").([]any)
			for _, p := range parameters {
				if p := resolve(document, p).(object); p["in"] == "query" && p["example"] != nil {
					try(p["name"].(string), fmt.Sprintf("?%s=%v", p["name"], p["example"]), nil)
				}
			}
			requests := at(operation, "requestBody", "content", "application/json")
			if method != "get" && len(examplesOf(requests)) == 0 {
				t.Errorf("%s has no example", path)
			}
			for name, example := range examplesOf(requests) {
				if err := fitsSchema(document, at(requests, "schema"), at(example, "value")); err != nil {
					t.Errorf("%s: the request %s: %v", path, name, err)
				}
				try(name, "", at(example, "value"))
			}
		}
	}
}

func examplesOf(content any) object {
	o, _ := at(content, "examples").(object)
	return o
}

// tryExample makes a request where alice's client exists, in the place of whatever ids the example has.
func tryExample(t *testing.T, document object, method, path, query string, body, schema any) {
	passwords := passwordsOf(t, "alice", "wonderland", "friends")
	endpointtest.Run(t, func(o *server.Options) { withAPI(o); o.Passwords, o.Destinations[0].Presence = passwords, true }, func(t *testing.T, r *endpointtest.Rig) {
		c := r.Connect(channel.WebSocket)
		c.Do("command", `"operation":"login","body":"YWxpY2U6d29uZGVybGFuZA=="`)
		c.Subscribe("chat", "room.1")
		session := want(t, r, "GET", "/clients/"+c.ID, "")["sessions"].([]any)[0].(string)
		ids := map[string]string{"client": c.ID, "session": session}
		path = strings.NewReplacer("/clients/{id}", "/clients/"+c.ID, "/sessions/{id}", "/sessions/"+session, "/presence/{id}", "/presence/chat").Replace(path)
		if strings.HasPrefix(query, "?client=") {
			query = "?client=" + c.ID
		}
		text := ""
		if body != nil {
			body := maps.Clone(body.(object))
			for key, id := range ids {
				if body[key] != nil {
					body[key] = id
				}
			}
			b, _ := json.Marshal(body)
			text = string(b)
		}
		answer := want(t, r, method, path+query, text)
		if err := fitsSchema(document, schema, answer); err != nil {
			t.Errorf("%v: %v", err, answer)
		}
		if items, ok := answer["items"].([]any); ok && len(items) == 0 {
			t.Error("the example finds nothing")
		}
		if reached, ok := answer["reached"]; ok && reached != 1.0 {
			t.Errorf("the example reaches nobody: %v", answer)
		}
	})
}

// What the server refuses with is what the file says.
func TestOpenAPIErrors(t *testing.T) {
	document := openAPI(t)
	content := at(document, "components", "responses", "Error", "content", "application/json")
	for name, example := range examplesOf(content) {
		if err := fitsSchema(document, at(content, "schema"), at(example, "value")); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	endpointtest.Run(t, withAPI, func(t *testing.T, r *endpointtest.Rig) {
		for _, path := range []string{"/clients?limit=0", "/clients/nobody", "/nowhere", "/publish"} {
			_, answer := ask(t, r, "GET", path, "")
			if err := fitsSchema(document, at(content, "schema"), answer); err != nil {
				t.Errorf("%s: %v: %v", path, err, answer)
			}
		}
		resp := r.Do("GET", "/api/v1/info", "")
		defer resp.Body.Close()
		var answer any
		if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
			t.Fatal(err)
		}
		example := examplesOf(content)["key"].(object)["value"].(object)["error"].(object)
		if got := at(answer, "error").(object); got["message"] != example["message"] || got["code"] != float64(message.CodeBadApiKey) || example["code"] != got["code"] {
			t.Errorf("%v, want %v", got, example)
		}
	})
}

func resolve(document object, v any) any {
	for {
		ref, ok := at(v, "$ref").(string)
		if !ok {
			return v
		}
		v = at(document, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
	}
}

// fitsSchema checks a value against the words of JSON Schema that the file uses.
func fitsSchema(document object, schema, v any) error {
	s, ok := resolve(document, schema).(object)
	if !ok {
		return fmt.Errorf("there is no schema %v", schema)
	}
	if enum, ok := s["enum"].([]any); ok && !slices.Contains(enum, v) {
		return fmt.Errorf("%v is not one of %v", v, enum)
	}
	switch s["type"] {
	case nil:
		return nil
	case "object":
		o, ok := v.(object)
		if !ok {
			return fmt.Errorf("%v is no object", v)
		}
		required, _ := s["required"].([]any)
		for _, key := range required {
			if _, there := o[key.(string)]; !there {
				return fmt.Errorf("%s is missing", key)
			}
		}
		for key, value := range o {
			property := at(s, "properties", key)
			if property == nil && s["additionalProperties"] == false {
				return fmt.Errorf("%s is not in the schema", key)
			}
			if property == nil {
				continue
			}
			if err := fitsSchema(document, property, value); err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
		}
		return nil
	case "array":
		items, ok := v.([]any)
		if !ok {
			return fmt.Errorf("%v is no array", v)
		}
		for _, item := range items {
			if err := fitsSchema(document, s["items"], item); err != nil {
				return err
			}
		}
		return nil
	case "integer":
		n, ok := v.(float64)
		if !ok || n != float64(int(n)) {
			return fmt.Errorf("%v is no integer", v)
		}
		return nil
	case "number":
		if _, ok := v.(float64); !ok {
			return fmt.Errorf("%v is no number", v)
		}
		return nil
	case "string":
		if _, ok := v.(string); !ok {
			return fmt.Errorf("%v is no string", v)
		}
		return nil
	case "boolean":
		if _, ok := v.(bool); !ok {
			return fmt.Errorf("%v is no boolean", v)
		}
		return nil
	}
	return fmt.Errorf("unknown type %v", s["type"])
}
