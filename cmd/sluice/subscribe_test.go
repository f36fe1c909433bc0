package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// What subscribe can begin with, and choose.
func TestSubscribeToThePast(t *testing.T) {
	history := `<destination id="short"><properties><server><history><max-messages>2</max-messages></history></server></properties></destination>
		<destination id="long"><properties><server><history/></server></properties></destination></service>`
	file := moved(t, "")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(text), "</service>", history, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	page, _, _ := launch(t, "--config", file)
	publish := func(args ...string) {
		t.Helper()
		if code, _, errors := call(t, "", append([]string{"publish", page}, args...)...); code != 0 {
			t.Fatalf("publish %q: %s", args, errors)
		}
	}
	subscribe := func(want, told string, args ...string) (last printed) {
		t.Helper()
		var bodies []string
		code, out, errors := call(t, "", append([]string{"subscribe", page, "-n", fmt.Sprint(len(strings.Fields(want)))}, args...)...)
		for line := range strings.Lines(out) {
			last = printed{}
			if err := json.Unmarshal([]byte(line), &last); err != nil || last.Position == "" {
				t.Errorf("%q: %v", line, err)
			}
			bodies = append(bodies, string(last.Body))
		}
		if code != 0 || strings.Join(bodies, " ") != want || told == "" && errors != "" || !strings.Contains(errors, told) {
			t.Errorf("subscribe %q: exit %d, %q, told %q", args, code, bodies, errors)
		}
		return last
	}
	time.Sleep(2 * time.Millisecond) // what was before the server is gone
	began := time.Now().UTC().Format("2006-01-02T15:04:05.000Z07:00")
	publish("long", "0", "--ttl", "1ms")
	time.Sleep(10 * time.Millisecond)
	for i := range 4 {
		publish("long", fmt.Sprint(i+1))
	}
	publish("long", "5", "--priority", "9")
	for _, kind := range []string{"websocket", "streaming", "longpoll"} {
		third := subscribe("1 2 3", "", "long", "--from", "earliest", "-k", kind)
		subscribe("4 5", "", "long", "--from", third.Position, "-k", kind)
		subscribe("3 4 5", "", "long", "--from", "last:3", "-k", kind)
		subscribe("1 2", "", "long", "--from", began, "-k", kind)
		subscribe("5", "", "long", "--from", "earliest", "--selector", "DSPriority > 4", "-k", kind)
		subscribe("1 2 3 4 5", "", "long", "--from", "earliest", "--max-frequency", "0.1", "-k", kind) // the past is not held up
	}
	publish("short", "1")
	first := subscribe("1", "", "short", "--from", "earliest")
	publish("short", "2", "-n", "4")
	subscribe("2 2", "messages are missing here, behind "+first.Position, "short", "--from", first.Position)
	for _, c := range []struct{ args, want string }{
		{"chat --from last:1", "4552 history-not-kept"}, {"long --from nonsense", "4504 bad-field"}, {"long --selector =", "4553 bad-selector"},
	} {
		if code, _, errors := call(t, "", append([]string{"subscribe", page}, strings.Fields(c.args)...)...); code != 1 || !strings.Contains(errors, c.want) {
			t.Errorf("subscribe %s: exit %d %s", c.args, code, errors)
		}
	}
}

// Who is ended by an administrator is told so once, in one line.
func TestSubscribeTellsItsEndOnce(t *testing.T) {
	file := moved(t, "")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	keyed := strings.Replace(string(text), "</services-config>", `<api><key id="tests" value="`+apiKey+`"/></api></services-config>`, 1)
	if err := os.WriteFile(file, []byte(keyed), 0o600); err != nil {
		t.Fatal(err)
	}
	page, _, _ := launch(t, "--config", file)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	web := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	api := func(method, path, body string) (answer struct{ Items []struct{ Client string } }) {
		req, err := http.NewRequestWithContext(ctx, method, page+"api/v1"+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+apiKey)
		resp, err := web.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%s %s: %d %v", method, path, resp.StatusCode, err)
		}
		return answer
	}
	for _, kind := range []string{"websocket", "streaming", "longpoll"} {
		var told bytes.Buffer
		code := make(chan int)
		go func() {
			code <- run(ctx, []string{"subscribe", page, "chat", "-k", kind}, std{in: strings.NewReader(""), out: io.Discard, err: &told})
		}()
		there := api("GET", "/subscriptions", "").Items
		for ; len(there) == 0; there = api("GET", "/subscriptions", "").Items {
			time.Sleep(10 * time.Millisecond) // nobody outside sees when a subscription begins
		}
		api("POST", "/disconnect", fmt.Sprintf(`{"client":%q,"reason":"Enough."}`, there[0].Client))
		if c := <-code; c != 1 || strings.Count(told.String(), "\n") != 1 || !strings.HasPrefix(told.String(), "sluice: client: ") || strings.Count(told.String(), "4003 administrator") != 1 {
			t.Errorf("%s: exit %d\n%s", kind, c, &told)
		}
	}
}
