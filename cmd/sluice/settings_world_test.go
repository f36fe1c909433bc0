package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/bcrypt"

	"sluice/endpoint/endpointtest"
	"sluice/endpoint/server"
)

// page is a services-config.xml, told by what stands at the marks of [blank], and the files beside it (names with a dot). "whole" stands for the whole file.
type page map[string]string

// and is p with what is in more; at a mark that both fill, more follows p.
func (p page) and(more page) page {
	all := maps.Clone(p)
	if all == nil {
		all = page{}
	}
	for mark, text := range more {
		all[mark] += text
	}
	return all
}

// blank is a small services-config.xml that says nothing but what it has to: all else is at its default.
const blank = `<services-config>%root%
  <services>%services%
    <service id="message-service" class="MessageService">%service%
      <destination id="chat" %chat-attributes%>%chat%<properties><server>%chat-server%</server></properties></destination>
      <destination id="plain" %plain-attributes%>%plain%</destination>
    </service>
  </services>
  <security>%security%</security>
  <channels>%channels%
    <channel-definition id="websocket" %websocket-attributes%><endpoint url="ws://{server.name}:{server.port}/websocket" class="WebSocketEndpoint"/>%websocket%
      <properties>%all-properties%%websocket-properties%</properties></channel-definition>
    <channel-definition id="streaming" %streaming-attributes%><endpoint url="http://{server.name}:{server.port}/streaming" class="StreamingEndpoint"/>%streaming%
      <properties>%all-properties%%http-properties%%streaming-properties%</properties></channel-definition>
    <channel-definition id="longpoll" %longpoll-attributes%><endpoint url="http://{server.name}:{server.port}/longpoll" class="LongPollEndpoint"/>%longpoll%
      <properties>%all-properties%%http-properties%%longpoll-properties%</properties></channel-definition>
  </channels>
  <servers><server id="main"><properties>%server%</properties></server>%servers%</servers>
  <flex-client>%flex-client%</flex-client>
  <api>%api%<key id="probe" value="` + apiKey + `"/></api>
  <logging>%logging%</logging>
  <system>%system%</system>
</services-config>`

const apiKey = "0123456789abcdef"

var mark = regexp.MustCompile(`%[a-z-]+%`)

// xml is the file.
func (p page) xml(t *testing.T) string {
	t.Helper()
	if whole, ok := p["whole"]; ok {
		return whole
	}
	left := maps.Clone(p)
	text := mark.ReplaceAllStringFunc(blank, func(m string) string {
		name := strings.Trim(m, "%")
		delete(left, name)
		return p[name]
	})
	for name := range left {
		if !strings.Contains(name, ".") {
			t.Fatalf("the file has no place %q", name)
		}
	}
	return text
}

// login makes a password file with two users: alice (role friends, password wonderland) and bob (no role, password builder).
var login = page{
	"security": "<password-file>users.txt</password-file>",
	"users.txt": sync.OnceValue(func() string {
		return "alice:" + hash("wonderland") + ":friends\nbob:" + hash("builder") + "\n"
	})(),
}

func hash(password string) string {
	b, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// world is a server made of a file as "sluice serve" makes it, and who looks at it. In a bubble its listeners are on networks in memory.
type world struct {
	*endpointtest.Rig // the network of the server "main"; its Server is nil

	t    *testing.T
	file page
	path string                       // of the file
	ran  bool                         // it started
	rigs map[string]*endpointtest.Rig // by the server's id
	out  output                       // standard output
	log  output                       // standard error
	end  context.CancelFunc
	done chan struct{}
	err  error // why it does not run; to be read after done

	service *service
}

// output is what a program writes.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
	some chan struct{} // closed with the first line
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.some != nil && o.text.Len() == 0 {
		close(o.some)
	}
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// start loads the file and serves it, until the test ends or stop is called. A file that cannot be served makes a world with err.
func start(t *testing.T, file page, real bool) *world {
	t.Helper()
	return serveFile(t, file, file.write(t), real)
}

// write writes the file, and those beside it, into a new directory, and returns its path.
func (p page) write(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range p.and(page{"services-config.xml": p.xml(t)}) {
		if !strings.Contains(name, ".") {
			continue
		}
		name = filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o700), os.WriteFile(name, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "services-config.xml")
}

// serveFile is start for a file that lies at that path.
func serveFile(t *testing.T, file page, path string, real bool) *world {
	t.Helper()
	w := &world{t: t, file: file, path: path, rigs: map[string]*endpointtest.Rig{}, done: make(chan struct{})}
	w.out.some = make(chan struct{})
	ctx, end := context.WithCancel(context.Background())
	w.end = end
	io := std{in: strings.NewReader(""), out: &w.out, err: &w.log}
	p, err := (&serveCommand{Config: w.path}).load(io)
	if err != nil {
		w.err = err
		close(w.done)
		return w
	}
	for _, s := range p.cfg.Servers {
		if !real {
			w.rigs[s.ID] = network(t)
		}
	}
	w.Rig = w.rigs["main"]
	t.Cleanup(w.stop)
	go func() {
		defer close(w.done)
		w.service = &service{io: io, path: w.path, adjust: func(listeners []server.Listener) error {
			for i := range listeners {
				if r := w.rigs[listeners[i].ID]; r != nil {
					listeners[i].Net = r.Net
				}
			}
			return nil
		}}
		w.err = w.service.run(ctx, p)
	}()
	select {
	case <-w.out.some:
		w.ran = true
	case <-w.done:
	}
	return w
}

// checked says whether "sluice check" is content with the file.
func (w *world) checked() bool {
	w.t.Helper()
	code, _, _ := call(w.t, "", "check", w.path)
	return code == 0
}

// network is one in memory, for a server that is to be.
func network(t *testing.T) *endpointtest.Rig {
	l := endpointtest.Listen("198.51.100.1:80")
	transport := &http.Transport{DialContext: l.DialContext, MaxIdleConnsPerHost: 100}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		synctest.Wait()
	})
	return &endpointtest.Rig{T: t, Net: l, HTTP: &http.Client{Transport: transport}}
}

// again ends the server and starts another one with the same file.
func (w *world) again() *world {
	w.stop()
	return serveFile(w.t, w.file, w.path, w.Rig == nil)
}

// stop ends the server and waits for it.
func (w *world) stop() {
	w.end()
	<-w.done
}

// What becomes of a file.
const starts, startsNot = "it starts", "it does not start"

// starts says whether the file can be served at all; if not, nothing else is to be seen of it.
func (w *world) starts() string {
	select {
	case <-w.done:
		return startsNot
	default:
		return starts
	}
}

// post sends lines and says what the answer is: its status unless that is 200, and each line.
func (w *world) post(path, lines string, headers ...string) string {
	w.t.Helper()
	return answered(w.do("POST", path, lines, headers...))
}

// do sends a request, and returns an answer that has at least its head.
func (w *world) do(method, path, body string, headers ...string) *http.Response {
	w.t.Helper()
	resp := w.Do(method, path, body, headers...)
	w.t.Cleanup(func() { resp.Body.Close() })
	return resp
}

// answered says what an answer says. The body of one that does not end is not read.
func answered(resp *http.Response) string {
	var said []string
	if resp.StatusCode != http.StatusOK {
		said = append(said, fmt.Sprint(resp.StatusCode))
	}
	if len(resp.TransferEncoding) > 0 && resp.StatusCode == http.StatusOK { // in chunks
		return "a stream"
	}
	body, _ := io.ReadAll(resp.Body)
	for _, text := range strings.Split(string(body), "\n") {
		var line endpointtest.Line
		if json.Unmarshal([]byte(text), &line) == nil {
			said = append(said, says(line))
		}
	}
	return strings.Join(said, " ")
}

// says puts a line into a few words: ok, or the name of what is wrong and the setting behind it.
func says(line endpointtest.Line) string {
	text := line.Text("name")
	switch {
	case line.Text("type") == "acknowledge" && text == "":
		return "ok"
	case text == "":
		text = strings.TrimSpace(line.Text("type") + " " + line.Text("operation"))
	}
	if setting := line.Text("setting"); setting != "" {
		text += " " + setting
		if line["value"] != nil {
			text += fmt.Sprintf("=%v", line["value"])
		}
	}
	return text
}

const (
	connectLine = `{"type":"command","operation":"client_ping","messageId":"c","headers":{"DSId":"nil"}}` + "\n"
	pingLine    = `{"type":"command","operation":"client_ping","messageId":"h"}` + "\n"
)

func subscribeLine(destination, subtopic string) string {
	return fmt.Sprintf(`{"type":"command","operation":"subscribe","messageId":"s","destination":%q,"headers":{"DSSubtopic":%q}}`+"\n", destination, subtopic)
}

func publishLine(destination, subtopic, body string) string {
	return fmt.Sprintf(`{"type":"async","messageId":"m","destination":%q,"headers":{"DSSubtopic":%q},"body":%q}`+"\n", destination, subtopic, body)
}

// welcome connects over HTTP and returns the acknowledgement, and the headers for what the client sends from now on: its token and its cookie.
func (w *world) welcome(path string, headers ...string) (endpointtest.Line, []string) {
	w.t.Helper()
	status, lines, h := w.Post(path, connectLine, headers...)
	if status != http.StatusOK || len(lines) != 1 || lines[0].Text("type") != "acknowledge" {
		w.t.Fatalf("connect at %s: %d %v", path, status, lines)
	}
	told := lines[0]["headers"].(map[string]any)
	cookie, _, _ := strings.Cut(h.Get("Set-Cookie"), ";")
	return lines[0], []string{"Authorization", fmt.Sprintf("Bearer %s.%s", told["DSId"], told["DSSecret"]), "Cookie", cookie}
}

// told is a value of the welcome at the path.
func (w *world) told(path, name string) string {
	w.t.Helper()
	line, _ := w.welcome(path)
	return fmt.Sprint(line["body"].(map[string]any)[name])
}

// api asks the API and returns its answer.
func (w *world) api(method, path, body string) map[string]any {
	w.t.Helper()
	resp := w.do(method, "/api/v1"+path, body, "Authorization", "Bearer "+apiKey)
	var answer map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		w.t.Fatalf("%s %s: %v", method, path, err)
	}
	return answer
}

// took is how long f takes, in tenths of a second.
func took(f func()) string {
	begin := time.Now()
	f()
	return time.Since(begin).Round(100 * time.Millisecond).String()
}

// times calls f n times and puts what it returns side by side.
func times(n int, f func(i int) string) string {
	var all []string
	for i := range n {
		all = append(all, f(i))
	}
	return strings.Join(all, ", ")
}
