package config

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"sluice/channel"
)

// TestDocs keeps docs/settings.md the table's print.
func TestDocs(t *testing.T) {
	var got bytes.Buffer
	if err := WriteSettings(&got); err != nil {
		t.Fatal(err)
	}
	compare(t, "../../../docs/settings.md", got.Bytes())
}

// TestTable looks for rows that could not work.
func TestTable(t *testing.T) {
	seen := map[string]bool{}
	chapters := map[Scope]bool{}
	for _, d := range scopeDocs {
		chapters[d.scope] = true
	}
	for _, s := range Settings() {
		path := s.Path()
		if s.AttrOnly {
			path = "@" + path
		}
		if seen[path] {
			t.Errorf("%s stands in the table twice", path)
		}
		seen[path] = true
		if s.Doc == "" || s.From == "" {
			t.Errorf("%s has no sentence or no product", path)
		}
		if !chapters[s.Scope] {
			t.Errorf("%s is in no chapter of the documentation", path)
		}
		if s.Status == JavaOnly && s.Instead == "" {
			t.Errorf("%s does not say what happens instead", path)
		}
		if s.Status == Served && s.set == nil && s.Kind != Include && !strings.HasSuffix(s.In, "-include") {
			t.Errorf("%s is served and sets nothing", path)
		}
		for _, v := range []string{s.Default, s.ForeignDefault, s.Example} {
			if _, ok := s.parse(v); v != "" && !ok {
				t.Errorf("%s: %q is not %s", path, v, s.Expected())
			}
		}
		for _, v := range s.Harmless {
			if got, ok := s.parse(v); s.Status == NotServed && (!ok || !s.harmless(got)) && s.Kind != Opaque {
				t.Errorf("%s: %q cannot be given", path, v)
			}
		}
		if s.Status == NotServed && s.Default != "" {
			if v, _ := s.parse(s.Default); !s.harmless(v) {
				t.Errorf("%s: not served, and its default %q is refused", path, s.Default)
			}
		}
	}
}

// TestCodes: a code that is blamed on a setting names one that exists and is served.
func TestCodes(t *testing.T) {
	data, err := os.ReadFile("../../../channel/message/codes.json")
	if err != nil {
		t.Fatal(err)
	}
	var codes []struct{ Name, Setting string }
	if err := json.Unmarshal(data, &codes); err != nil {
		t.Fatal(err)
	}
	served := map[string]bool{"": true}
	for _, s := range Settings() {
		if s.Status == Served {
			served[s.Name], served[s.Path()] = true, true
		}
	}
	served["allowed-origins"] = true // the list; its rows are allowed-origins/origin
	for _, c := range codes {
		if !served[c.Setting] {
			t.Errorf("code %s names the setting %s, which is not served", c.Name, c.Setting)
		}
	}
}

// base has one of everything, so that every setting has a place to stand at.
const base = `<services-config>
  <services>
    <default-channels><channel ref="third"/></default-channels>
    <service id="message-service" class="MessageService">
      <adapters><adapter-definition id="default" class="ActionScriptAdapter" default="true"/><adapter-definition id="second" class="ActionScriptAdapter"/></adapters>
      <default-channels><channel ref="third"/></default-channels>
      <default-security-constraint ref="staff"/>
      <destination id="chat"/>
    </service>
  </services>
  <security>
    <security-constraint id="users"/>
    <security-constraint id="staff"/>
  </security>
  <channels>
    <channel-definition id="first"><endpoint url="/first" class="%s"/></channel-definition>
    <channel-definition id="second"><endpoint url="/second" class="StreamingEndpoint"/></channel-definition>
    <channel-definition id="third"><endpoint url="/third" class="WebSocketEndpoint"/></channel-definition>
  </channels>
  <servers>
    <server id="first"><properties><trusted-proxies><proxy>10.9.9.9</proxy></trusted-proxies></properties></server>
    <server id="second"><properties port="9999"/></server>
  </servers>
  <flex-client/>
  <api><key id="first" value="fedcba9876543210"/></api>
  <logging><target/></logging>
  <system data-directory="elsewhere"/>
</services-config>`

// insensitive are settings whose change alone cannot be seen in Config, and why.
var insensitive = map[string]string{
	"services/service/id":                                                            "services are not in Config",
	"services/service/adapters/adapter-definition/id":                                "adapters are not in Config",
	"services/service/adapters/adapter-definition/class":                             "all classes come to the same",
	"services/service/adapters/adapter-definition/default":                           "adapters are not in Config",
	"services/service/destination/adapter":                                           "adapters are not in Config",
	"services/service/destination/adapter/ref":                                       "adapters are not in Config",
	"channels/channel-definition/properties/user-agent-settings/user-agent/match-on": "required: TestGolden",
	"servers/server/properties/certificate-file":                                     "needs its key: TestGolden",
	"servers/server/properties/private-key-file":                                     "needs its certificate: TestGolden",
	"security/password-file":                                                         "needs the file: TestGolden",
	"channels/channel-definition/security/security-constraint/id":                    "only with its own roles: TestGolden",
	"services/service/destination/security/security-constraint/id":                   "only with its own roles: TestGolden",
}

// TestEverySettingChangesConfig gives every served setting a value that is not its default and looks for a change: a setting that is
// accepted and then forgotten fails here.
func TestEverySettingChangesConfig(t *testing.T) {
	for _, s := range Settings() {
		path := s.Path()
		if s.Status != Served || s.Kind == Group || s.Kind == Include || strings.HasSuffix(s.In, "-include") {
			continue
		}
		t.Run(path, func(t *testing.T) {
			if insensitive[path] != "" {
				return
			}
			kind := channel.LongPoll
			if len(s.Kinds) > 0 {
				kind = s.Kinds[0]
			}
			doc := fmt.Sprintf(base, nativeNames[kind])
			before := mustLoad(t, doc)
			changed := give(t, doc, s, example(s))
			after := mustLoad(t, changed)
			if reflect.DeepEqual(before, after) {
				t.Errorf("%s = %q changes nothing:\n%s", path, example(s), changed)
			}
		})
	}
}

// example is a value other than the default.
func example(s Setting) string {
	switch {
	case s.Example != "":
		return s.Example
	case s.Kind == Bool:
		return map[string]string{"true": "false", "false": "true"}[s.Default]
	case s.Kind == Seconds || s.Kind == Minutes:
		return "7.5"
	}
	if v, ok := s.parse("17"); ok && s.Kind.number() && v.Text != s.Default {
		return "17"
	}
	lo, _ := s.bounds()
	return num(lo + 1)
}

func mustLoad(t *testing.T, doc string) *Config {
	t.Helper()
	cfg, _, err := LoadFS(docFS(doc), "x.xml", Options{LookupEnv: env})
	if err != nil {
		t.Fatalf("%v\n%s", err, doc)
	}
	return cfg
}

// give puts the setting into the first element of its scope, taking away what stands there.
func give(t *testing.T, doc string, s Setting, value string) string {
	t.Helper()
	count := 0
	root, p := parseTree("x.xml", []byte(doc), &count)
	if p != nil {
		t.Fatal(p)
	}
	n := root
	steps := strings.Split(strings.Trim(string(s.Scope)+"/"+s.In, "/"), "/")
	for _, step := range steps {
		if n.child(step) == nil {
			n.kids = append(n.kids, &node{name: step})
		}
		n = n.child(step)
	}
	for i, a := range n.attrs {
		if a.Name.Local == s.Name {
			n.attrs = append(n.attrs[:i:i], n.attrs[i+1:]...)
			break
		}
	}
	if n.name == "user-agent" { // its required companion
		n.attrs = append(n.attrs, xml.Attr{Name: xml.Name{Local: "match-on"}, Value: "Firefox"})
	}
	if n.name == "key" && s.Name == "value" {
		n.attrs = []xml.Attr{{Name: xml.Name{Local: "id"}, Value: "first"}}
	}
	n.attrs = append(n.attrs, xml.Attr{Name: xml.Name{Local: s.Name}, Value: value})
	return encode(root)
}

// encode writes a tree as XML.
func encode(n *node) string {
	var b strings.Builder
	b.WriteString("<" + n.name)
	for _, a := range n.attrs {
		b.WriteString(" " + a.Name.Local + `="`)
		_ = xml.EscapeText(&b, []byte(a.Value))
		b.WriteString(`"`)
	}
	b.WriteString(">" + n.text)
	for _, k := range n.kids {
		b.WriteString(encode(k))
	}
	b.WriteString("</" + n.name + ">\n")
	return b.String()
}

// TestShipped keeps the file at the top of the module and the embedded one alike, and free of anything to tell.
func TestShipped(t *testing.T) {
	top, err := os.ReadFile("../../../services-config.xml")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(top, Default()) {
		t.Error("services-config.xml and the embedded copy differ; copy the one over the other")
	}
	cfg, rep, err := Parse("services-config.xml", Default(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(rep.Problems) > 0 || len(rep.Ignored) > 0 {
		t.Errorf("problems %v, ignored %v", rep.Problems, rep.Ignored)
	}
	if got, want := cfg.DefaultChannels, []string{"websocket", "streaming", "longpoll"}; !reflect.DeepEqual(got, want) {
		t.Errorf("default channels %v", got)
	}
	for i, want := range []string{"127.0.0.1:8080", "127.0.0.1:9080"} {
		if got := cfg.Servers[i].Address(); got != want {
			t.Errorf("server %d listens on %s", i, got)
		}
	}
	for _, c := range cfg.Channels {
		if c.Path != "/"+c.ID || string(c.Kind) != c.ID || c.ClientHeartbeat.Seconds() != 10 {
			t.Errorf("%+v", c)
		}
	}
	for _, d := range cfg.Destinations {
		if !d.AllowSubtopics || len(d.Channels) != 3 {
			t.Errorf("%+v", d)
		}
	}
}
