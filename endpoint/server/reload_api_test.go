package server_test

import (
	"errors"
	"net/http"
	"reflect"
	"testing"

	"sluice/channel/message"
	"sluice/endpoint/endpointtest"
	"sluice/endpoint/server"
)

// What the program says of a reload is the answer, also of one that did not take place.
func TestReloadAPI(t *testing.T) {
	document := openAPI(t)
	for _, c := range []struct {
		name     string
		err      error
		status   int
		code     message.Code
		problems []any
	}{
		{"reloaded", nil, http.StatusOK, 0, nil},
		{"mistakes", &server.BadConfiguration{Problems: []string{"a.xml:1: one", "a.xml:2: two"}}, http.StatusUnprocessableEntity, message.CodeBadConfiguration, []any{"a.xml:1: one", "a.xml:2: two"}},
		{"shutting down", server.ErrShutdown, http.StatusServiceUnavailable, message.CodeServerShutdown, nil},
		{"something else", errors.New("a secret"), http.StatusInternalServerError, message.CodeInternal, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			endpointtest.Run(t, func(o *server.Options) {
				withAPI(o)
				if c.err != nil {
					o.Reload = func() (*server.Reloaded, error) { return nil, c.err }
				}
			}, func(t *testing.T, r *endpointtest.Rig) {
				status, answer := ask(t, r, "POST", "/reload", "")
				schema := object{"$ref": "#/components/schemas/Error"}
				if c.err == nil {
					schema["$ref"] = "#/components/schemas/Reloaded"
				}
				if err := fitsSchema(document, schema, answer); err != nil {
					t.Error(err)
				}
				code, _ := at(answer, "error", "code").(float64)
				problems, _ := at(answer, "error", "problems").([]any)
				if status != c.status || message.Code(code) != c.code || !reflect.DeepEqual(problems, c.problems) {
					t.Errorf("%d %v", status, answer)
				}
			})
		})
	}
	endpointtest.Run(t, func(o *server.Options) { withAPI(o); o.Reload = nil }, func(t *testing.T, r *endpointtest.Rig) {
		if status, answer := ask(t, r, "POST", "/reload", ""); status != http.StatusNotImplemented || at(answer, "error", "code") != float64(message.CodeNotServed) {
			t.Errorf("without a file: %d %v", status, answer)
		}
		if status, answer := ask(t, r, "POST", "/reload", `{"all":true}`); status != http.StatusBadRequest {
			t.Errorf("with a body: %d %v", status, answer)
		}
	})
}
