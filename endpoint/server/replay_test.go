package server_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
)

// The two kinds of example: sockets and requests. docs/protocol.md says how to read them.

// inbox gathers what has come.
type inbox struct {
	mu    sync.Mutex
	lines []string
}

// put takes a piece of what came. NULs and empty lines mean nothing, nor does the comment that is a heartbeat among events.
func (b *inbox) put(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for line := range strings.Lines(text) {
		if line = strings.Trim(line, "\x00\r\n"); line != "" && line != ":" {
			b.lines = append(b.lines, line)
		}
	}
}

func (b *inbox) take() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	lines := b.lines
	b.lines = nil
	return lines
}

// exampleSocket is a WebSocket of an example.
type exampleSocket struct {
	inbox
	ws *websocket.Conn
}

func (p *player) dial() error {
	ws, _, err := websocket.Dial(context.Background(), p.rig.URL("/websocket"), &websocket.DialOptions{HTTPClient: p.rig.HTTP, Subprotocols: []string{"sluice"}})
	if err != nil {
		return err
	}
	s := &exampleSocket{ws: ws}
	p.socks = append(p.socks, s)
	go func() {
		for {
			_, data, err := ws.Read(context.Background())
			if err != nil {
				var closed websocket.CloseError
				if errors.As(err, &closed) {
					s.put(fmt.Sprintf("close %d %s", closed.Code, closed.Reason))
				}
				return
			}
			s.put(string(data))
		}
	}()
	return nil
}

// sockets replays an example on WebSockets. C lines that follow each other travel in one frame; before the next ones are sent, what was received is compared.
func (p *player) sockets(steps []string) error {
	for len(steps) > 0 {
		var frame []string
		n, received := 1, map[int][]string{}
		for len(steps) > 0 && steps[0][0] == 'C' {
			var line string
			var err error
			if n, line, err = socketLine(steps[0]); err != nil {
				return err
			}
			steps = steps[1:]
			if line != "lost" {
				frame = append(frame, line)
				continue
			}
			if err := p.send(n, frame); err != nil {
				return err
			}
			synctest.Wait()
			p.socks[n-1].ws.CloseNow()
			synctest.Wait()
			p.socks[n-1].take() // it got lost
			frame = nil
		}
		for len(steps) > 0 && (steps[0][0] != 'C' || frame == nil) {
			from, line, err := socketLine(steps[0])
			if err != nil {
				return err
			}
			received[from], steps = append(received[from], line), steps[1:]
		}
		if frame != nil {
			if err := p.send(n, frame); err != nil {
				return err
			}
		}
		synctest.Wait()
		for i, s := range p.socks {
			if err := p.sameOnSocket(received[i+1], s.take()); err != nil {
				return err
			}
		}
	}
	return nil
}

var socketStep = regexp.MustCompile(`^[CS]([0-9]?): (.*)$`)

// socketLine is which socket a step is about, from 1, and the line.
func socketLine(step string) (n int, line string, err error) {
	part := socketStep.FindStringSubmatch(step)
	if part == nil {
		return 0, "", fmt.Errorf("not a step of an example: %q", step)
	}
	if n, err = strconv.Atoi(part[1]); err != nil {
		n = 1
	}
	return n, part[2], nil
}

// send sends lines as one frame on socket n, which is opened at its first use.
func (p *player) send(n int, lines []string) error {
	for len(p.socks) < n {
		if err := p.dial(); err != nil {
			return err
		}
	}
	text, err := p.fill(strings.Join(lines, "\n"))
	if err != nil {
		return err
	}
	return p.socks[n-1].ws.Write(context.Background(), websocket.MessageText, []byte(text))
}

// sameOnSocket compares what came on a socket: replies have their order, and all other lines have theirs, but one of each has no order with the other.
func (p *player) sameOnSocket(want, got []string) error {
	replies := func(lines []string, wanted bool) (some []string) {
		for _, line := range lines {
			reply := strings.HasPrefix(line, `{"type":"acknowledge"`) || strings.HasPrefix(line, `{"type":"error"`)
			if reply == wanted {
				some = append(some, line)
			}
		}
		return some
	}
	if err := p.same(replies(want, true), replies(got, true)); err != nil {
		return err
	}
	return p.same(replies(want, false), replies(got, false))
}

// exampleAnswer is what a request is answered with.
type exampleAnswer struct {
	inbox
	cancel context.CancelFunc

	// The following are guarded by inbox.mu.
	status int
	header http.Header
	err    error
	done   bool
}

// requests replays an example over HTTP: paragraphs of one request each.
func (p *player) requests(steps []string) error {
	for paragraph := range strings.SplitSeq(strings.Join(steps, "\n"), "\n\n") {
		lines := strings.Split(strings.TrimSpace(paragraph), "\n")
		if err := p.paragraph(lines[0], lines[1:]); err != nil {
			return fmt.Errorf("%s: %w", lines[0], err)
		}
	}
	return nil
}

func (p *player) paragraph(head string, lines []string) error {
	verb, rest, _ := strings.Cut(head, " ")
	switch verb {
	case "AFTER":
		d, err := time.ParseDuration(rest)
		if err != nil {
			return err
		}
		time.Sleep(d)
		return nil
	case "STREAM":
		n, _ := strconv.Atoi(rest)
		n = max(n, 1)
		if n > len(p.answers) {
			return fmt.Errorf("only %d were opened", len(p.answers))
		}
		synctest.Wait()
		return p.answered(p.answers[n-1], lines, false)
	case "OPEN":
		a, lines, err := p.request(rest, lines)
		if err != nil {
			return err
		}
		p.answers = append(p.answers, a)
		return p.answered(a, lines, false)
	}
	a, lines, err := p.request(head, lines)
	if err != nil {
		return err
	}
	defer a.cancel()
	return p.answered(a, lines, true)
}

var headerLine = regexp.MustCompile(`^([A-Z][A-Za-z-]*): (.*)$`)

// request sends the request whose first line is head; what of lines is not part of it comes back.
func (p *player) request(head string, lines []string) (*exampleAnswer, []string, error) {
	header := http.Header{}
	var body []string
	for len(lines) > 0 {
		part := headerLine.FindStringSubmatch(lines[0])
		if part == nil || part[1] == "S" {
			break
		}
		text, err := p.fill(part[2])
		if err != nil {
			return nil, nil, err
		}
		if part[1] == "C" {
			body = append(body, text)
			if header.Get("Content-Type") == "" {
				header.Set("Content-Type", "application/json")
			}
		} else {
			header.Set(part[1], text)
		}
		lines = lines[1:]
	}
	head, err := p.fill(head)
	if err != nil {
		return nil, nil, err
	}
	method, path, _ := strings.Cut(head, " ")
	ctx, cancel := context.WithCancel(context.Background())
	r, err := http.NewRequestWithContext(ctx, method, p.rig.URL(path), strings.NewReader(strings.Join(body, "\n")))
	if err != nil {
		cancel()
		return nil, nil, err
	}
	r.Header = header
	a := &exampleAnswer{cancel: cancel}
	go a.fetch(p.rig.HTTP, r)
	synctest.Wait()
	return a, lines, nil
}

func (a *exampleAnswer) fetch(client *http.Client, r *http.Request) {
	resp, err := client.Do(r)
	if err == nil {
		defer resp.Body.Close()
		a.mu.Lock()
		a.status, a.header = resp.StatusCode, resp.Header
		a.mu.Unlock()
		for body := bufio.NewReader(resp.Body); err == nil; {
			var line string
			line, err = body.ReadString('\n')
			a.put(line)
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.err, a.done = err, true
}

// answered compares an answer with the rest of its paragraph: a status if there is one, headers, lines, and END where it must have ended.
func (p *player) answered(a *exampleAnswer, lines []string, whole bool) error {
	got := a.take()
	a.mu.Lock()
	status, header, done := a.status, a.header, a.done
	a.mu.Unlock()
	var want []string
	for _, line := range lines {
		part := headerLine.FindStringSubmatch(line)
		switch number, err := strconv.Atoi(line); {
		case err == nil:
			if status != number {
				return fmt.Errorf("the status is %d, want %d: %s", status, number, got)
			}
		case line == "END":
			whole = true
		case part == nil:
			return fmt.Errorf("not a line of an example: %q", line)
		case part[1] == "S":
			want = append(want, part[2])
		default:
			if err := p.matches(part[2], header.Get(part[1])); err != nil {
				return fmt.Errorf("%s: %q: %w", line, header.Get(part[1]), err)
			}
		}
	}
	if err := p.same(want, got); err != nil {
		return err
	}
	if whole && !done {
		return fmt.Errorf("there is no end of the answer")
	}
	return nil
}
