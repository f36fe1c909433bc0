package bench

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"sluice/channel/client"
	"sluice/channel/message"
)

// ask sends a request, given as its fields behind type, with the next seq, and waits for its reply.
func (g *guest) ask(typ, fields string) (serverLine, error) {
	g.got = g.seq // one at a time
	g.seq++
	return g.again(typ, fields)
}

// again sends the last request as it was, because its reply was lost.
func (g *guest) again(typ, fields string) (serverLine, error) {
	id := fmt.Sprintf("r%d", g.seq)
	line := fmt.Sprintf(`{"type":%q,"messageId":%q,"seq":%d,"have":%d,"got":%d%s,%s}`, typ, id, g.seq, g.have, g.got, g.promised(), fields)
	g.confirmed = g.have
	if g.link != nil && g.link.kind == client.WebSocket {
		if err := g.send(line); err != nil {
			return serverLine{}, err
		}
		return g.until(func(l serverLine) bool {
			return l.CorrelationID == id && (l.Type == "acknowledge" || l.Type == "error")
		})
	}
	return g.post(line)
}

// tell sends a line that is about the connection, such as a confirmation.
func (g *guest) tell(line string) error {
	if g.link != nil && g.link.kind == client.WebSocket {
		return g.send(line)
	}
	_, err := g.post(line)
	return err
}

// beat is a heartbeat.
func (g *guest) beat() error {
	return g.tell(fmt.Sprintf(`{"type":"command","operation":"client_ping","messageId":"h","have":%d%s}`, g.have, g.promised()))
}

// confirm says what has come.
func (g *guest) confirm() error {
	g.confirmed = g.have
	return g.tell(fmt.Sprintf(`{"type":"control","operation":"confirm","have":%d,"got":%d%s}`, g.have, g.got, g.promised()))
}

// post POSTs a line and returns the first one of the answer.
func (g *guest) post(line string) (serverLine, error) {
	at := g.at[g.channel]
	if at.kind == client.WebSocket { // it sends over HTTP as well as it can receive by the socket
		at = g.at["streaming"]
	}
	status, first, err := g.fetch(http.MethodPost, at.url.String(), line)
	if err == nil && first.Type == "" && status != http.StatusOK {
		err = fmt.Errorf("HTTP status %d without a line", status)
	}
	return first, err
}

// fetch makes a request as this client and takes the lines of the answer; it returns the first.
func (g *guest) fetch(method, address, body string, headers ...string) (status int, first serverLine, err error) {
	ctx, cancel := context.WithTimeout(g.ctx, patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		return 0, first, err
	}
	req.Header.Set("Content-Type", "application/json")
	if g.id != "" {
		req.Header.Set("Authorization", "Bearer "+g.token())
	}
	if g.cookie != "" {
		req.Header.Set("Cookie", g.cookie)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := g.w.http.Do(req)
	if err != nil {
		return 0, first, err
	}
	defer resp.Body.Close()
	for _, c := range resp.Cookies() {
		g.cookie = c.Name + "=" + c.Value
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxLine))
	if err != nil {
		return 0, first, err
	}
	for raw := range bytes.Lines(text) {
		var l serverLine
		if err := json.Unmarshal(raw, &l); err != nil {
			return resp.StatusCode, first, fmt.Errorf("HTTP status %s: %q is no line", resp.Status, raw)
		}
		l.raw = bytes.TrimSpace(raw)
		if first.Type == "" {
			first = l
		}
		g.take(l)
	}
	return resp.StatusCode, first, nil
}

// granted turns a refusal into an error.
func granted(l serverLine, err error) error {
	if err == nil && l.Type != "acknowledge" {
		err = fmt.Errorf("refused: %s", l.raw)
	}
	return err
}

// refused is an error unless the reply is a refusal with the code.
func refused(code message.Code, l serverLine, err error) error {
	if err == nil && (l.Type != "error" || l.Code != int(code) || l.Name != code.Info().Name) {
		err = fmt.Errorf("want a refusal with %d %s, got %s", code, code, l.raw)
	}
	return err
}

func (g *guest) subscribe(destination, subtopic string) error {
	return granted(g.ask(message.TypeCommand, fmt.Sprintf(`"operation":"subscribe","destination":%q,"headers":{"DSSubtopic":%q}`, destination, subtopic)))
}

func (g *guest) login(name, password string) (serverLine, error) {
	return g.ask(message.TypeCommand, fmt.Sprintf(`"operation":"login","body":%q`, base64.StdEncoding.EncodeToString([]byte(name+":"+password))))
}

// publish publishes a body, which is JSON.
func (g *guest) publish(subtopic, body string) error {
	return granted(g.ask("async", publication(subtopic, body)))
}

func publication(subtopic, body string) string {
	return fmt.Sprintf(`"destination":"soak","headers":{"DSSubtopic":%q},"body":%s`, subtopic, body)
}
