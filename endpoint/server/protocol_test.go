package server_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/bcrypt"

	"sluice/channel"
	"sluice/endpoint/endpointtest"
	"sluice/endpoint/server"
	"sluice/flexsession"
)

const protocolDocument = "../../docs/protocol.md"

// Every example of docs/protocol.md is what the server does.
func TestProtocolExamples(t *testing.T) {
	passwords := passwordsOf(t, "alice", "wonderland", "friends")
	for _, e := range readExamples(t) {
		t.Run(e.name, func(t *testing.T) {
			if err := replay(t, e, passwords); err != nil {
				t.Errorf("%s: %v", e.name, err)
			}
		})
	}
}

// The replay is no rubber stamp: an example in which one received line lacks, or one literal of it is another, fails.
func TestUntrueProtocolExamples(t *testing.T) {
	passwords := passwordsOf(t, "alice", "wonderland", "friends")
	literal := regexp.MustCompile(`(?::|\[|: )("[^"$*]*"|\d+|true|false)`)
	for _, e := range readExamples(t) {
		t.Run(e.name, func(t *testing.T) {
			lie := func(steps []string, what string) {
				if replay(t, example{name: e.name, head: e.head, steps: steps}, passwords) == nil {
					t.Errorf("%s: %s: nobody noticed", e.name, what)
				}
			}
			for i, step := range e.steps {
				if !receives(step) {
					continue
				}
				lie(slices.Delete(slices.Clone(e.steps), i, i+1), "without "+step)
				for _, at := range literal.FindAllStringSubmatchIndex(step, -1) {
					changed := slices.Clone(e.steps)
					changed[i] = step[:at[2]] + other(step[at[2]:at[3]]) + step[at[3]:]
					lie(changed, "with "+changed[i])
				}
			}
		})
	}
}

var received = regexp.MustCompile(`^S[0-9]?: `)

func receives(step string) bool { return received.MatchString(step) }

// other is a JSON literal of the same type that is not the given one.
func other(literal string) string {
	switch {
	case literal == "true":
		return "false"
	case literal == "false":
		return "true"
	case literal[0] == '"':
		return `"not ` + literal[1:]
	}
	return "7" + literal
}

// example is a block of the document.
type example struct {
	name  string // file and line, for people
	head  string // what stands behind "```example"
	steps []string
}

func readExamples(t *testing.T) []example {
	t.Helper()
	text, err := os.ReadFile(protocolDocument)
	if err != nil {
		t.Fatal(err)
	}
	var all []example
	inside := false
	for i, line := range strings.Split(string(text), "\n") {
		head, begins := strings.CutPrefix(line, "```example ")
		switch {
		case begins:
			all = append(all, example{name: fmt.Sprintf("protocol.md:%d", i+1), head: head})
			inside = true
		case line == "```":
			inside = false
		case inside:
			e := &all[len(all)-1]
			e.steps = append(e.steps, line)
		}
	}
	if len(all) < 20 {
		t.Fatalf("%s has %d examples", protocolDocument, len(all))
	}
	return all
}

// replay runs an example against a server of its own and says where the two differ.
func replay(t *testing.T, e example, passwords *flexsession.Passwords) (err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		play := &player{rig: endpointtest.New(t, exampleServer(passwords)), vars: map[string]string{}}
		defer play.close()
		switch e.head {
		case "websocket":
			err = play.sockets(e.steps)
		case "websocket connected":
			if err = play.sockets(connectedSteps); err == nil {
				err = play.sockets(e.steps)
			}
		case "http":
			err = play.requests(e.steps)
		default:
			err = fmt.Errorf("unknown kind of example %q", e.head)
		}
		if err == nil {
			err = play.nothingLeft()
		}
	})
	return err
}

// connectedSteps is what an example "websocket connected" has behind it.
var connectedSteps = []string{
	`C: {"type":"command","operation":"client_ping","messageId":"c0","headers":{"DSId":"nil"},"attach":1}`,
	`S: {"type":"acknowledge","correlationId":"c0","headers":{"DSId":"$id","DSSecret":"$secret"}}`,
	`S: {"type":"control","operation":"attached","attach":1,"have":0}`,
}

// exampleServer is the server that the document's first paragraph describes.
func exampleServer(passwords *flexsession.Passwords) func(*server.Options) {
	return func(o *server.Options) {
		o.Destinations = append(o.Destinations[:2],
			channel.DestinationDefinition{ID: "log", AllowSubtopics: true, History: channel.History{MaxMessages: 3}, Channels: []string{"websocket", "streaming", "longpoll"}},
			channel.DestinationDefinition{ID: "prices", AllowSubtopics: true, LastValue: true, Channels: []string{"websocket", "streaming", "longpoll"}})
		o.Destinations[1].SlowConsumer, o.Destinations[1].MaxWaitingMessages = channel.SlowConflate, 3 // news
		o.Destinations[0].Presence = true
		o.FlexClient.Window = flexsession.Window{Messages: 4, Bytes: 1 << 20}
		o.Passwords = passwords
		for i := range o.Channels {
			o.Channels[i].ClientHeartbeat = 10 * time.Second
			o.Channels[i].ReliableReconnectDuration = 15 * time.Second
			if o.Channels[i].Kind == channel.WebSocket {
				o.Channels[i].URL = "ws" + strings.TrimPrefix(o.Channels[i].URL, "http")
			}
		}
	}
}

// passwordsOf is a password file of one user.
func passwordsOf(t *testing.T, user, password, roles string) *flexsession.Passwords {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "passwords")
	if err := os.WriteFile(file, fmt.Appendf(nil, "%s:%s:%s\n", user, hash, roles), 0o600); err != nil {
		t.Fatal(err)
	}
	passwords, err := flexsession.LoadPasswords(file)
	if err != nil {
		t.Fatal(err)
	}
	return passwords
}

// player replays one example.
type player struct {
	rig  *endpointtest.Rig
	vars map[string]string // what the $names stand for

	socks   []*exampleSocket // by number, from 1: C2 and S2 are the second
	answers []*exampleAnswer // what OPEN has opened, by number, from 1
}

func (p *player) close() {
	for _, s := range p.socks {
		s.ws.CloseNow()
	}
	for _, a := range p.answers {
		a.cancel()
	}
	synctest.Wait()
}

// nothingLeft fails when something came that the example does not show.
func (p *player) nothingLeft() error {
	synctest.Wait()
	var errs []error
	for _, s := range p.socks {
		errs = append(errs, unexpected(s.take()))
	}
	for _, a := range p.answers {
		errs = append(errs, unexpected(a.take()))
	}
	return errors.Join(errs...)
}

func unexpected(lines []string) error {
	if len(lines) == 0 {
		return nil
	}
	return fmt.Errorf("not in the example, but received: %s", strings.Join(lines, "\n"))
}

var variable = regexp.MustCompile(`\$[a-z]+[0-9]?`)

// fill puts the captured values in.
func (p *player) fill(text string) (string, error) {
	var err error
	text = variable.ReplaceAllStringFunc(text, func(name string) string {
		value, ok := p.vars[name]
		if !ok {
			err = fmt.Errorf("%s was not captured before: %s", name, text)
		}
		return value
	})
	return text, err
}

// same compares what was received with what the example shows, all in its order.
func (p *player) same(want, got []string) error {
	for i, line := range want {
		if i == len(got) {
			return fmt.Errorf("never received: %s", line)
		}
		if err := p.matches(line, got[i]); err != nil {
			return fmt.Errorf("received %s\n    want %s\n    %w", got[i], line, err)
		}
	}
	return unexpected(got[len(want):])
}

// matches compares one line: JSON by its fields, other text by its characters, but for $names and *.
func (p *player) matches(want, got string) error {
	prefix := want[:max(strings.Index(want, "{"), 0)]
	if !strings.HasPrefix(want, "{") && !strings.HasPrefix(want, "data: {") {
		return p.matchesText(want, got)
	}
	var w, g any
	if err := json.Unmarshal([]byte(want[len(prefix):]), &w); err != nil {
		return fmt.Errorf("the example is not JSON: %w", err)
	}
	if !strings.HasPrefix(got, prefix) {
		return fmt.Errorf("want %q at its beginning", prefix)
	}
	got = got[len(prefix):]
	if strings.HasPrefix(want, `{"type"`) && !strings.HasPrefix(got, `{"type":"`) {
		return errors.New("type is not the first key")
	}
	if err := json.Unmarshal([]byte(got), &g); err != nil {
		return err
	}
	return p.matchesValue("", w, g)
}

func (p *player) matchesText(want, got string) error {
	var names []string
	pattern := regexp.QuoteMeta(want)
	pattern = strings.ReplaceAll(pattern, `\*`, `.*`)
	pattern = regexp.MustCompile(`\\`+variable.String()).ReplaceAllStringFunc(pattern, func(name string) string {
		names = append(names, name[1:])
		return `([^;\s]+)`
	})
	found := regexp.MustCompile("^" + pattern + "$").FindStringSubmatch(got)
	if found == nil {
		return errors.New("the text differs")
	}
	for i, name := range names {
		if err := p.capture(name, found[i+1]); err != nil {
			return err
		}
	}
	return nil
}

func (p *player) capture(name, value string) error {
	if before, known := p.vars[name]; known && before != value {
		return fmt.Errorf("%s was %q", name, before)
	}
	p.vars[name] = value
	return nil
}

// matchesValue compares a value at a place in a line. Fields that the example does not show may be there.
func (p *player) matchesValue(place string, want, got any) error {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return fmt.Errorf("%s: want an object", place)
		}
		for _, key := range slices.Sorted(maps.Keys(w)) {
			value, there := g[key]
			if !there {
				return fmt.Errorf("%s.%s is not there", place, key)
			}
			if err := p.matchesValue(place+"."+key, w[key], value); err != nil {
				return err
			}
		}
		return nil
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return fmt.Errorf("%s: want an array of %d", place, len(w))
		}
		for i := range w {
			if err := p.matchesValue(fmt.Sprintf("%s[%d]", place, i), w[i], g[i]); err != nil {
				return err
			}
		}
		return nil
	case string:
		if w == "*" {
			return nil
		}
		if variable.FindString(w) == w && w != "" {
			text, ok := got.(string)
			if !ok {
				return fmt.Errorf("%s: want text", place)
			}
			return p.capture(w, text)
		}
	}
	if !reflect.DeepEqual(want, got) {
		return fmt.Errorf("%s: want %v", place, want)
	}
	return nil
}
