package server_test

import (
	"bufio"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"sluice/endpoint/endpointtest"
	"sluice/endpoint/server"
	"sluice/flexsession/filestore"
)

// embedded is a server on a data directory, in this process and on real time.
func embedded(t *testing.T, dir string) (*server.Server, *filestore.Store) {
	t.Helper()
	store, err := filestore.Open(dir, filestore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.New(endpointtest.Options(func(o *server.Options) {
		people(t, "ann:members")(o)
		o.Sessions = store
	}))
	if err != nil {
		t.Fatal(err)
	}
	s.Run()
	return s, store
}

// postTo posts a line over long-poll.
func postTo(s *server.Server, line string, headers ...string) *http.Response {
	r := httptest.NewRequest("POST", "/longpoll", strings.NewReader(line))
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.Handler("main").ServeHTTP(w, r)
	return w.Result()
}

// TestCrashing is the process that TestCrash kills; otherwise it does nothing. Several sessions are logged in and written to at once, and what is acknowledged is told on standard output.
func TestCrashing(t *testing.T) {
	dir := os.Getenv("SLUICE_TEST_CRASH")
	if dir == "" {
		return
	}
	s, _ := embedded(t, dir)
	var mu sync.Mutex // of standard output
	for i := range crashingSessions {
		go func() {
			resp := postTo(s, connectLine+"\n"+login("ann", "secret", 1))
			cookie := resp.Cookies()[0].Value
			lines := endpointtest.ReadLines(t, resp.Body)
			client := s.Registry().Lookup(lines[0]["headers"].(map[string]any)["DSId"].(string))
			for n := 1; ; n++ {
				if err := client.Record().SetAttribute("n", n); err != nil {
					fmt.Println("failed", err)
				}
				mu.Lock()
				fmt.Println("acknowledged", i, n, cookie)
				mu.Unlock()
			}
		}()
	}
	select {}
}

const crashingSessions = 8

// A process that is killed in the middle of its writes has lost none that it had acknowledged, nor a login.
func TestCrash(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, after := range []int{crashingSessions, 100, 500} {
		dir := t.TempDir()
		process := exec.Command(program, "-test.run=^TestCrashing$")
		process.Env = append(os.Environ(), "SLUICE_TEST_CRASH="+dir)
		out, err := process.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := process.Start(); err != nil {
			t.Fatal(err)
		}
		var acknowledged [crashingSessions]int
		var cookies [crashingSessions]string
		lines := bufio.NewScanner(out)
		for told := 0; lines.Scan(); {
			var i, n int
			var cookie string
			if _, err := fmt.Sscan(strings.TrimPrefix(lines.Text(), "acknowledged "), &i, &n, &cookie); err != nil {
				continue // cut off by the end
			}
			acknowledged[i], cookies[i] = n, cookie
			if told++; told == after {
				if err := process.Process.Kill(); err != nil { // SIGKILL
					t.Fatal(err)
				}
			}
		}
		process.Wait() // it was killed

		s, store := embedded(t, dir)
		for i, cookie := range cookies {
			if cookie == "" {
				continue // nothing was acknowledged to it
			}
			resp := postTo(s, connectLine, "Cookie", "SluiceSessionId="+cookie)
			line := endpointtest.ReadLines(t, resp.Body)[0]
			client := s.Registry().Lookup(line["headers"].(map[string]any)["DSId"].(string))
			var n int
			if ok, err := client.Record().Attribute("n", &n); !ok || err != nil || n < acknowledged[i] || n > acknowledged[i]+1 {
				t.Errorf("after %d lines: session %d has %d, %v %v, and %d was acknowledged", after, i, n, ok, err, acknowledged[i])
			}
			if line["body"].(map[string]any)["user"] != "ann" {
				t.Errorf("after %d lines: the login of session %d is lost: %v", after, i, line)
			}
		}
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}
}
