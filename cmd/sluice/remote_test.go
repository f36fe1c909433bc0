package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// moved is the shipped configuration with channels at other paths, on a free port; further goes into the public server.
func moved(t *testing.T, further string) string {
	t.Helper()
	dir := t.TempDir()
	file := replaced(t, dir, "<port>8080</port>", "<port>0</port>"+further)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := strings.NewReplacer("}/websocket", "}/x/socket", "}/streaming", "}/x/stream", "}/longpoll", "}/x/poll",
		"<port>9080</port>", "<port>0</port>").Replace(string(text))
	if err := os.WriteFile(file, []byte(elsewhere), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// Channels that are not at the usual paths are found by the server's configuration, or named by their own URL.
func TestChannelsElsewhere(t *testing.T) {
	page, _, _ := launch(t, "--config", moved(t, ""))
	socket := "ws" + strings.TrimPrefix(page, "http")
	for _, args := range []string{
		page, strings.TrimSuffix(page, "/"), page + " -k websocket", page + " -k streaming", page + " -k longpoll",
		socket, socket + "x/socket", page + "x/poll -k longpoll", page + "x/stream -k streaming", page + "x/socket -k websocket",
	} {
		at, kind, _ := strings.Cut(args, " ")
		if code, out, errors := call(t, "", append([]string{"publish", at, "chat", "x"}, strings.Fields(kind)...)...); code != 0 || errors != "" {
			t.Errorf("publish %s: exit %d %s%s", args, code, out, errors)
		}
	}
	if code, out, errors := call(t, "", "bench", "--url", page, "--destination", "chat", "-c", "3", "-n", "10", "-k", "longpoll"); code != 0 {
		t.Errorf("bench: exit %d %s%s", code, out, errors)
	}
	if code, out, errors := call(t, "", "bench", "--url", page, "-c", "3", "-n", "10"); code != 1 || !strings.Contains(errors, `subscribe to "bench"`) {
		t.Errorf("bench without its destination: exit %d %s%s", code, out, errors)
	}
	if code, _, errors := call(t, "", "publish", page, "nowhere", "x"); code != 1 || !strings.Contains(errors, `publish to "nowhere"`) {
		t.Errorf("publish to nowhere: exit %d %s", code, errors)
	}
}

// A certificate that only --ca trusts is trusted by every command that connects, and by none without it.
func TestCA(t *testing.T) {
	certificate, key := certify(t, t.TempDir(), "server")
	page, _, _ := launch(t, "--config", moved(t, "<certificate-file>"+certificate+"</certificate-file><private-key-file>"+key+"</private-key-file>"))
	if !strings.HasPrefix(page, "https://") {
		t.Fatal(page)
	}
	for _, kind := range []string{"websocket", "streaming", "longpoll"} {
		if code, _, errors := call(t, "", "publish", page, "chat", "x", "-k", kind); code != 1 || !strings.Contains(errors, "certificate") {
			t.Errorf("publish over %s without --ca: exit %d %s", kind, code, errors)
		}
		if code, _, errors := call(t, "", "publish", page, "chat", "x", "-k", kind, "--ca", certificate); code != 0 {
			t.Errorf("publish over %s: exit %d %s", kind, code, errors)
		}
		args := []string{"bench", "--url", page, "--destination", "chat", "-c", "3", "-n", "10", "-k", kind, "--ca", certificate}
		if code, out, errors := call(t, "", args...); code != 0 {
			t.Errorf("bench over %s: exit %d %s%s", kind, code, out, errors)
		}
	}
}

// The built-in configuration asks nobody who they are. Opening it to other machines is said aloud, once.
func TestOpenToOthers(t *testing.T) {
	file := filepath.Join(t.TempDir(), "services-config.xml")
	for _, c := range []struct{ config, listen, want string }{
		{"", "", ""}, {"", "127.0.0.1:0", ""}, {"", "localhost:0", ""}, {"", "[::1]:0", ""}, {file, ":0", ""},
		{"", ":0", "--listen :0 opens it to every interface\n"},
		{"", "0.0.0.0:0", "opens it to every interface\n"},
		{"", "[::]:0", "opens it to every interface\n"},
		{"", "192.0.2.1:0", "opens it to other machines\n"},
		{"", "push.example.com:80", "opens it to other machines\n"},
	} {
		var told strings.Builder
		_, _ = (&serveCommand{Config: c.config, Listen: c.listen}).load(std{err: &told}) // the file is not there, which is not the point
		if !strings.HasSuffix(told.String(), c.want) || c.want == "" && told.Len() > 0 || strings.Count(told.String(), "\n") > 1 {
			t.Errorf("--listen %q: told %q, want %q", c.listen, &told, c.want)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	var told, out strings.Builder
	if code := run(ended, []string{"--listen", ":0"}, std{in: strings.NewReader(""), out: &out, err: &told}); code != 0 || strings.Count(told.String(), "sluice: warning: ") != 1 {
		t.Errorf("exit %d\n%s", code, &told)
	}
}
