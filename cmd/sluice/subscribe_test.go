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
