//go:build linux

package faults

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/coder/websocket"

	"sluice/channel"
	"sluice/endpoint/endpointtest"
)

// What the process of a client is told.
const (
	urlKey     = "SLUICE_FAULTS_URL"
	kindKey    = "SLUICE_FAULTS_KIND"
	promiseKey = "SLUICE_FAULTS_PROMISE" // what it promises of its heartbeats, in milliseconds; 0: it sends none
)

// ready is what the process of a client prints once it has subscribed to plain, and receives.
const ready = "ready"

// runClient is the process of a client. It receives, and sends heartbeats if it is to, until it is killed or loses its connection; it never comes back.
func runClient() {
	c := &client{url: os.Getenv(urlKey), kind: os.Getenv(kindKey)}
	c.promise, _ = strconv.Atoi(os.Getenv(promiseKey))
	var err error
	switch channel.Kind(c.kind) {
	case channel.WebSocket:
		err = c.socket()
	case channel.Streaming:
		err = c.stream()
	case channel.LongPoll:
		err = c.polls()
	}
	fmt.Println("over:", err)
	io.Copy(io.Discard, os.Stdin) // so that its sockets are there until it is killed
}

type client struct {
	url, kind string
	promise   int
	auth      string
}

// connect is the line that connects; more is put into it.
func (c *client) connect(more string) string {
	return fmt.Sprintf(`{"type":"command","operation":"client_ping","messageId":"c","headers":{"DSId":"nil"}%s%s}`, more, c.promised())
}

const subscribeLine = `{"type":"command","operation":"subscribe","messageId":"s","destination":"plain"}`

// promised is the field of a line that promises the next heartbeat.
func (c *client) promised() string {
	if c.promise == 0 {
		return ""
	}
	return fmt.Sprintf(`,"heartbeat":%d`, c.promise)
}

// beat calls send with a heartbeat, as often as promised at least.
func (c *client) beat(send func(line string) error) {
	if c.promise == 0 {
		return
	}
	for i := 0; ; i++ {
		time.Sleep(min(promise, time.Duration(c.promise)*time.Millisecond) * 9 / 10)
		send(fmt.Sprintf(`{"type":"command","operation":"client_ping","messageId":"h%d"%s}`, i, c.promised())) // when it fails the connection is gone, and the next may get through
	}
}

func (c *client) socket() error {
	ws, _, err := websocket.Dial(ctx, c.url+"/websocket", nil)
	if err != nil {
		return err
	}
	ws.SetReadLimit(-1)
	send := func(line string) error { return ws.Write(ctx, websocket.MessageText, []byte(line)) }
	if err := send(c.connect(`,"attach":1`) + "\n" + subscribeLine); err != nil {
		return err
	}
	for {
		_, data, err := ws.Read(ctx)
		if err != nil {
			return err
		}
		if bytes.Contains(data, []byte(`"correlationId":"s"`)) {
			fmt.Println(ready)
			go c.beat(send)
		}
	}
}

// post sends a line on a connection of its own, so that one which is dead does not hold up the next.
func (c *client) post(path, line string) (*http.Response, error) {
	req, err := http.NewRequest("POST", c.url+path, strings.NewReader(line))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	if c.auth != "" {
		req.Header.Set("Authorization", c.auth)
	}
	return (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
}

// send posts a line and wants it to be taken.
func (c *client) send(line string) error {
	resp, err := c.post("/"+c.kind, line)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var answer struct {
		Type    string
		Headers struct{ DSId, DSSecret string }
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || answer.Type != "acknowledge" {
		return fmt.Errorf("%s: %v", resp.Status, err)
	}
	if answer.Headers.DSSecret != "" {
		c.auth = "Bearer " + answer.Headers.DSId + "." + answer.Headers.DSSecret
	}
	return nil
}

// begin connects over HTTP and subscribes.
func (c *client) begin() error {
	if err := c.send(c.connect("")); err != nil {
		return err
	}
	return c.send(subscribeLine)
}

func (c *client) stream() error {
	if err := c.begin(); err != nil {
		return err
	}
	resp, err := c.post("/streaming?command=open", `{"type":"control","operation":"attach","attach":1,"have":0}`)
	if err != nil {
		return err
	}
	lines := bufio.NewReader(resp.Body)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return err
		}
		if strings.Contains(line, `"attached"`) {
			fmt.Println(ready)
			go c.beat(c.send)
		}
	}
}

func (c *client) polls() error {
	if err := c.begin(); err != nil {
		return err
	}
	go c.beat(c.send)
	have := 0
	for attach := 1; ; attach++ {
		resp, err := c.post("/longpoll", fmt.Sprintf(`{"type":"command","operation":"poll","messageId":"p","attach":%d,"have":%d}`, attach, have))
		if err != nil {
			return err
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			return fmt.Errorf("%s: %v", resp.Status, err)
		}
		for _, raw := range strings.Split(string(body), "\n") {
			var line endpointtest.Line
			if json.Unmarshal([]byte(raw), &line) == nil && line.Text("type") != "acknowledge" && line.Text("type") != "control" {
				have++
			}
		}
		if attach == 1 { // it brought the subscription-state; the next one waits
			fmt.Println(ready)
		}
	}
}
