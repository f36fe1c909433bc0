package main

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sluice/cmd/internal/config"
	"sluice/endpoint/server"
	"sluice/flexsession"
)

// storeProbes are of what lasts, and of what programs put on sessions.
func storeProbes() []probe {
	const directory, file = "<data-directory>kept/here</data-directory>", "<session-store>file</session-store>"
	return []probe{
		{setting: "security/session-store", common: login.and(page{"system": directory}), add: page{"security": file}, see: restarted, want: seen("<nil>, made nothing", "alice, made kept/here/sessions.db")},
		{setting: "system/data-directory", common: login.and(page{"security": file}), add: page{"system": directory}, see: restarted, want: seen(startsNot, "alice, made kept/here/sessions.db")},
		{setting: "flex-client/max-attributes", add: page{"flex-client": "<max-attributes>2</max-attributes>"}, see: attributes("a", "b", "c"), want: seen("ok, ok, ok", "ok, ok, limit")},
		{setting: "flex-client/max-attribute-bytes", add: page{"flex-client": "<max-attribute-bytes>16</max-attribute-bytes>"},
			see: attributes("a", strings.Repeat("x", 30)), want: seen("ok, ok", "ok, limit")},
	}
}

// restarted says who the browser of alice is after a restart, and what there is beside the configuration.
func restarted(w *world) string {
	_, auth := w.welcome("/longpoll")
	set := w.do("POST", "/longpoll", loginLine("alice", "wonderland"), auth...).Cookies()[0]
	line, _ := w.again().welcome("/longpoll", "Cookie", set.Name+"="+set.Value)
	made := "nothing"
	filepath.WalkDir(filepath.Dir(w.path), func(path string, d os.DirEntry, _ error) error {
		if strings.HasSuffix(path, ".db") {
			made, _ = filepath.Rel(filepath.Dir(w.path), path)
		}
		return nil
	})
	return fmt.Sprint(line["body"].(map[string]any)["user"], ", made ", filepath.ToSlash(made))
}

// attributes sets some on a client and says for each whether there was room. Only a program that embeds the server can, so there is one.
func attributes(names ...string) func(w *world) string {
	return func(w *world) string {
		cfg, _, err := config.Parse("services-config.xml", []byte(w.file.xml(w.t)), config.Options{})
		if err != nil {
			w.t.Fatal(err)
		}
		opts, err := serverOptions(cfg)
		if err != nil {
			w.t.Fatal(err)
		}
		s, err := server.New(opts)
		if err != nil {
			w.t.Fatal(err)
		}
		r := httptest.NewRequest("POST", "/longpoll", strings.NewReader(connectLine))
		r.Header.Set("Content-Type", "application/json")
		s.Handler("main").ServeHTTP(httptest.NewRecorder(), r)
		client := s.Registry().Clients()[0]
		return times(len(names), func(i int) string {
			switch err := client.SetAttribute(names[i], true); {
			case err == nil:
				return "ok"
			case errors.Is(err, flexsession.ErrAttributeLimit):
				return "limit"
			default:
				return err.Error()
			}
		})
	}
}

// What keeps sessions from being kept is said before the server starts, in a sentence, where the file gives the setting; by check and serve alike.
func TestStoreThatCannotBeUsed(t *testing.T) {
	store := func(inside string) page {
		return page{"security": "<session-store>file</session-store>", "system": inside}
	}
	const directory = "<data-directory>data</data-directory>"
	for name, c := range map[string]struct {
		file   page
		before func(t *testing.T, dir string)
		wrong  string
	}{
		"no directory": {store(""), nil,
			"services-config/security/session-store: sessions cannot be kept in a file: system has no data-directory"},
		"a file in its place": {store(directory).and(page{"data.txt": "x"}), func(t *testing.T, dir string) { rename(t, dir, "data.txt", "data") },
			"services-config/system/data-directory: HTTP sessions cannot be kept in %s/data: %[1]s/data is not a directory"},
		"damaged": {store(directory).and(page{"data/sessions.db": strings.Repeat("no sessions here\n", 1000)}), nil,
			"services-config/system/data-directory: HTTP sessions cannot be kept in %s/data: %[1]s/data/sessions.db: it is damaged, or no session store; move it away to start without the sessions in it"},
	} {
		t.Run(name, func(t *testing.T) {
			path := c.file.write(t)
			dir := filepath.Dir(path)
			if c.before != nil {
				c.before(t, dir)
			}
			want := func(what, format string, code int, said string) {
				t.Helper()
				if strings.Contains(format, "%") {
					format = fmt.Sprintf(format, dir)
				}
				if code != 1 || !strings.Contains(said, format) {
					t.Errorf("%s: exit %d\n%s\nwant %s", what, code, said, format)
				}
			}
			code, out, _ := call(t, "", "check", path)
			want("check", c.wrong, code, out)
			code, _, errors := call(t, "", "serve", "--config", path, "--listen", "127.0.0.1:0")
			want("serve", c.wrong, code, errors)
		})
	}
}

func rename(t *testing.T, dir, from, to string) {
	t.Helper()
	if err := os.Rename(filepath.Join(dir, from), filepath.Join(dir, to)); err != nil {
		t.Fatal(err)
	}
}

// Two servers on one data directory would spoil each other's sessions: the second one does not start. Check is content: a server runs.
func TestStoreOfAnotherServer(t *testing.T) {
	file := page{"security": "<session-store>file</session-store>", "system": "<data-directory>data</data-directory>", "server": "<port>0</port>"}
	w := start(t, file, true)
	if w.starts() != starts {
		t.Fatal(w.err)
	}
	if code, _, errors := call(t, "", "serve", "--config", w.path, "--listen", "127.0.0.1:0"); code != 1 || !strings.Contains(errors, "sessions.db: another process has it open") {
		t.Errorf("the second one: exit %d %s", code, errors)
	}
	if !w.checked() {
		t.Error("check finds fault with a directory that the running server uses")
	}
}

// The log says at the start whether sessions last.
func TestStoreIsTold(t *testing.T) {
	for _, c := range []struct {
		file page
		want string
	}{
		{nil, "HTTP sessions are kept in memory, and end with this process"},
		{page{"security": "<session-store>file</session-store>", "system": "<data-directory>data</data-directory>"}, "HTTP sessions are kept over a restart"},
	} {
		w := start(t, c.file.and(page{"server": "<port>0</port>"}), true)
		if w.starts() != starts || strings.Count(w.log.String(), "HTTP sessions are kept") != 1 || !strings.Contains(w.log.String(), c.want) {
			t.Errorf("%v: the log says %s, want %q", w.err, &w.log, c.want)
		}
		w.stop()
	}
}
