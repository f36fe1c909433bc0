package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

func docFS(doc string) fs.FS { return fstest.MapFS{"x.xml": {Data: []byte(doc)}} }

// TestErrorForm pins the form that scripts and editors take apart.
func TestErrorForm(t *testing.T) {
	doc := `<services-config>
  <channels>
    <channel-definition id="my-ws">
      <endpoint url="/ws" class="WebSocketEndpoint"/>
      <properties>
        <wait-interval-milis>1</wait-interval-milis>
      </properties>
    </channel-definition>
  </channels>
</services-config>`
	cfg, rep, err := Parse("services-config.xml", []byte(doc), Options{})
	if cfg != nil || !rep.Wrong() {
		t.Fatal("a wrong file gave a config")
	}
	const want = "services-config.xml:6: services-config/channels/channel-definition[my-ws]/properties/wait-interval-milis: unknown setting; did you mean wait-interval-millis?"
	if err.Error() != want {
		t.Errorf("got  %s\nwant %s", err, want)
	}
	var p Problem
	if !errors.As(err, &p) || p.Line != 6 || p.Setting != "wait-interval-milis" || p.Suggestion != "wait-interval-millis" || p.Severity != Error {
		t.Errorf("%+v", p)
	}
}

// TestAllAtOnce: an error of every section is told in one run, in the order of the lines.
func TestAllAtOnce(t *testing.T) {
	_, rep, err := LoadFS(os.DirFS("testdata"), "doc-many-errors.xml", Options{LookupEnv: env})
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || len(joined.Unwrap()) != 7 || rep.Count(Error) != 7 {
		t.Fatalf("%v", err)
	}
	last := 0
	for _, e := range joined.Unwrap() {
		p := e.(Problem)
		if p.Line < last {
			t.Errorf("line %d comes after %d", p.Line, last)
		}
		last = p.Line
	}
}

// TestSecrets: a key is in no report, whether it is right or wrong.
func TestSecrets(t *testing.T) {
	for _, value := range []string{"geheim-geheim-geheim", "geheim"} {
		_, rep, _ := LoadFS(docFS(`<services-config><api><key id="a" value="`+value+`"/></api><servers><server id="x" class="y"><properties keystore-password="geheim"/></server></servers></services-config>`), "x.xml", Options{})
		var out bytes.Buffer
		if err := rep.Write(&out); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(out.String(), "geheim") {
			t.Errorf("the report shows a secret:\n%s", &out)
		}
	}
}

// TestLimits: a file past any limit is refused, soon.
func TestLimits(t *testing.T) {
	wrap := func(s string) string { return "<services-config>" + s + "</services-config>" }
	var includes strings.Builder
	files := fstest.MapFS{}
	for i := range maxIncludes + 1 {
		fmt.Fprintf(&includes, `<service-include file-path="f%d.xml"/>`, i)
		files[fmt.Sprintf("f%d.xml", i)] = &fstest.MapFile{Data: []byte(fmt.Sprintf(`<service id="s%d" class="MessageService"/>`, i))}
	}
	for name, tc := range map[string]struct{ doc, want string }{
		"size":       {wrap(strings.Repeat(" ", maxFileSize)), "larger than"},
		"depth":      {wrap(strings.Repeat("<a>", maxDepth) + strings.Repeat("</a>", maxDepth)), "nested deeper"},
		"elements":   {wrap(strings.Repeat("<a/>", maxElements)), "more than 50000 elements"},
		"attributes": {wrap("<a" + attributes(maxAttrs+1) + "/>"), "attributes"},
		"includes":   {wrap("<services>" + includes.String() + "</services>"), "more than 256 files"},
		"problems":   {wrap(strings.Repeat("<a/>", maxElements-10)), "more than 1000 problems"},
		"channels":   {wrap("<channels>" + strings.Repeat(`<channel-definition/>`, maxChannels+1) + "</channels>"), "more than 1000 channels"},
		"servers":    {wrap("<servers>" + strings.Repeat(`<server/>`, maxServers+1) + "</servers>"), "more than 100 servers"},
	} {
		t.Run(name, func(t *testing.T) {
			files["x.xml"] = &fstest.MapFile{Data: []byte(tc.doc)}
			start := time.Now()
			_, rep, err := LoadFS(files, "x.xml", Options{})
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %.300v", err)
			}
			if d := time.Since(start); d > 20*time.Second || len(rep.Problems) > maxProblems+1 {
				t.Errorf("%d problems after %v", len(rep.Problems), d)
			}
		})
	}
}

func attributes(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, ` a%d=""`, i)
	}
	return b.String()
}

// TestNoServer: without servers the public one is where Options say, and both are there.
func TestNoServer(t *testing.T) {
	for listen, want := range map[string]string{"": DefaultListen, ":8081": ":8081", "[::1]:0": "[::1]:0", "example.com:80": "example.com:80"} {
		cfg, _, err := Parse("x.xml", []byte("<services-config/>"), Options{Listen: listen})
		if err != nil {
			t.Fatal(err)
		}
		if len(cfg.Servers) != 2 || cfg.Servers[0].Address() != want || cfg.Servers[0].Role != RolePublic || cfg.Servers[1].Role != RoleInternal || cfg.Servers[1].MaxConnections != 20000 {
			t.Errorf("%q: %+v", listen, cfg.Servers)
		}
	}
	if _, _, err := Parse("x.xml", []byte("<services-config/>"), Options{Listen: "8080"}); err == nil {
		t.Error("an address without a colon was taken")
	}
}

// TestContextRoot: the token's value stands before the path, for the client and for us.
func TestContextRoot(t *testing.T) {
	doc := `<services-config><channels><channel-definition id="a"><endpoint url="http://{server.name}:{server.port}/{context.root}/a" class="StreamingEndpoint"/></channel-definition></channels></services-config>`
	for root, want := range map[string]string{"": "/a", "app": "/app/a", "/app/": "/app/a"} {
		cfg, _, err := Parse("x.xml", []byte(doc), Options{ContextRoot: root})
		if err != nil {
			t.Fatal(err)
		}
		if c := cfg.Channels[0]; c.Path != want || c.URL != "http://{server.name}:{server.port}"+want {
			t.Errorf("%q: path %s, url %s", root, c.Path, c.URL)
		}
	}
}

// TestLoadFromDisk: paths are those of the machine, and files are found beside the one that names them.
func TestLoadFromDisk(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	main := write("services-config.xml", `<services-config><services><service-include file-path="more/messaging.xml"/></services><security password-file="more/passwords"/></services-config>`)
	write("more/messaging.xml", `<service id="m" class="MessageService"><destination-include directory-path="../destinations"/></service>`)
	write("destinations/b.xml", `<destination id="b"/>`)
	write("destinations/a.xml", `<destination id="a"/>`)
	passwords := write("more/passwords", "")
	cfg, _, err := Load(main, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(cfg.Destinations) != 2 || cfg.Destinations[0].ID != "a" || cfg.Security.PasswordFile != passwords {
		t.Errorf("%+v", cfg)
	}
	if _, rep, err := Load(filepath.Join(dir, "absent.xml"), Options{}); err == nil || rep == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("%v", err)
	}
	if _, _, err := Load(dir, Options{}); err == nil {
		t.Error("a directory was read")
	}
}

func TestSuggest(t *testing.T) {
	known := []string{"wait-interval-millis", "max-connections", "polling-interval-millis", "id", "url", "uri"}
	for name, want := range map[string]string{
		"wait-interval-milis":    "wait-interval-millis",
		"wiat-interval-millis":   "wait-interval-millis",
		"Max-Connections":        "max-connections",
		"max-connection":         "max-connections",
		"something":              "",
		"x":                      "",
		"urll":                   "url",
		strings.Repeat("a", 100): "",
	} {
		if got := suggest(name, known); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

func TestSplitURL(t *testing.T) {
	for in, want := range map[string]endpointURL{
		"http://{server.name}:{server.port}/a/b": {"http", "{server.name}", "{server.port}", "/a/b"},
		"WS://[::1]:80/x":                        {"ws", "[::1]", "80", "/x"},
		"https://[::1]/x":                        {"https", "[::1]", "", "/x"},
		"rtmp://host":                            {"rtmp", "host", "", ""},
		"/only/path":                             {"", "", "", "/only/path"},
	} {
		if got, ok := splitURL(in); !ok || got != want {
			t.Errorf("%s: %+v %v", in, got, ok)
		}
	}
	for _, in := range []string{"", "host/path", "//host/path", "http://", "http:///x", "http://user@host/x", "http://host:0/x", "http://host:/x", "http://host/a b", "http://host/%41", "http://host/{id}", "a{b}://host/x", "/x/*"} {
		if got, ok := splitURL(in); ok {
			t.Errorf("%s was taken as %+v", in, got)
		}
	}
}

// FuzzLoad: whatever a file says, Load returns, agrees with itself, and has bounded work.
func FuzzLoad(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.xml")
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add(Default())
	f.Fuzz(func(t *testing.T, data []byte) {
		start := time.Now()
		fsys := fstest.MapFS{"x.xml": {Data: data}, "include/circle.xml": {Data: []byte(`<services><service-include file-path="../x.xml"/></services>`)}}
		cfg, rep, err := LoadFS(fsys, "x.xml", Options{LookupEnv: env})
		if (err != nil) != rep.Wrong() || (cfg == nil) != (err != nil) {
			t.Errorf("config %v, error %v, wrong %v", cfg, err, rep.Wrong())
		}
		if cfg != nil {
			for _, c := range cfg.Channels {
				if !strings.HasPrefix(c.Path, "/") || c.ID == "" || c.Kind == "" || c.MaxMessageSize <= 0 || c.WriteTimeout <= 0 {
					t.Errorf("a channel that cannot be served: %+v", c)
				}
			}
			for _, d := range cfg.Destinations {
				if d.ID == "" || d.SubtopicSeparator == "" {
					t.Errorf("a destination that cannot be served: %+v", d)
				}
			}
		}
		if d := time.Since(start); d > 10*time.Second {
			t.Errorf("took %v for %d bytes", d, len(data))
		}
	})
}
