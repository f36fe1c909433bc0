package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"sluice/channel/client"
	"sluice/channel/message"
)

// loginLogout logs in, in two tabs where there is a cookie, and out again, which ends both.
func loginLogout(g *guest, ch string) error {
	if err := g.connect(ch); err != nil {
		return err
	}
	answer, err := g.login("alice", "wrong")
	if err := refused(message.CodeBadCredentials, answer, err); err != nil {
		return err
	}
	answer, err = g.ask(message.TypeCommand, `"operation":"subscribe","destination":"closed"`)
	if err := refused(message.CodeLoginRequired, answer, err); err != nil {
		return err
	}
	if err := granted(g.login("alice", soakPassword)); err != nil {
		return err
	}
	if err := g.subscribe("closed", ""); err != nil {
		return err
	}
	tab := g.w.guest(g.ctx, g.rng)
	defer tab.drop(false)
	if ch != "websocket" {
		tab.cookie = g.cookie
		if err := tab.connect(ch); err != nil {
			return err
		}
		if err := tab.subscribe("closed", ""); err != nil {
			return fmt.Errorf("the other tab: %w", err)
		}
	}
	if err := granted(g.ask(message.TypeCommand, `"operation":"logout"`)); err != nil {
		return err
	}
	if err := g.wantEnd(patience, message.CodeLogout); err != nil {
		return err
	}
	if tab.id == "" {
		return nil
	}
	if err := tab.wantEnd(patience, message.CodeLogout); err != nil {
		return fmt.Errorf("the other tab: %w", err)
	}
	return nil
}

// administrator is ended by an operator.
func administrator(g *guest, ch string) error {
	if err := g.connect(ch); err != nil {
		return err
	}
	operator := g.w.guest(g.ctx, g.rng)
	body, _ := json.Marshal(map[string]string{"client": g.id, "reason": "for the sake of the soak"})
	status, err := operator.operate("/api/v1/disconnect", string(body))
	if err != nil || status != http.StatusOK {
		return fmt.Errorf("the API: HTTP status %d, %w", status, err)
	}
	if err := g.wantEnd(patience, message.CodeAdministrator); err != nil {
		return err
	}
	return g.late(message.CodeAdministrator)
}

// operate calls the API.
func (g *guest) operate(path, body string) (status int, err error) {
	req, err := http.NewRequestWithContext(g.ctx, http.MethodPost, g.w.url+path, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+soakKey)
	resp, err := g.w.http.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}

// subscriptionTimeout has a subscription to which nothing is ever sent.
func subscriptionTimeout(g *guest, ch string) error {
	g.promise = soakDeadPeer
	if err := g.connect(ch); err != nil {
		return err
	}
	over := serverLine{}
	g.others = func(l serverLine) {
		if l.Operation == "subscription_invalidate" {
			over = l
		}
	}
	if err := g.subscribe("quiet", g.own()); err != nil {
		return err
	}
	for until := time.Now().Add(soakSubscription + patience); over.Type == "" && time.Now().Before(until); {
		if err := g.linger(100 * time.Millisecond); err != nil {
			return err
		}
	}
	if over.Code != int(message.CodeSubscriptionTimeout) {
		return fmt.Errorf("want the subscription to end by %d, got %q", message.CodeSubscriptionTimeout, over.raw)
	}
	return g.leave()
}

// twoTabs are two clients of one cookie on a channel where the disconnect of one ends the other.
func twoTabs(g *guest, ch string) error {
	if err := g.connect(ch); err != nil {
		return err
	}
	tab := g.w.guest(g.ctx, g.rng)
	defer tab.drop(false)
	tab.cookie = g.cookie
	if err := tab.connect(ch); err != nil {
		return err
	}
	if err := g.leave(); err != nil {
		return err
	}
	return tab.wantEnd(patience, message.CodeSessionInvalidated)
}

// closeSocket says goodbye to the socket only, and is a client that has lost its connection.
func closeSocket(g *guest) error {
	if err := arrive(g, "websocket"); err != nil {
		return err
	}
	if err := g.frame(8, "\x03\xe8"); err != nil {
		return err
	}
	if err := g.lost(patience); err != nil {
		return err
	}
	return cutForGoodFrom(g)
}

// closeStream has its stream ended, and opens another.
func closeStream(g *guest) error {
	g.channel = "streaming"
	if err := g.greet("streaming"); err != nil {
		return err
	}
	l, err := openHTTP(g.ctx, client.Streaming, g.at["streaming"].url)
	if err != nil {
		return err
	}
	g.link = l
	g.attach++
	if err := l.request(g.at["streaming"].url, "?command=open", g.token(), g.cookie, []byte(g.attachLine(""))); err != nil {
		return err
	}
	opened, err := g.until(func(l serverLine) bool { return l.StreamID != "" })
	if err != nil {
		return err
	}
	if _, _, err := g.fetch(http.MethodPost, g.at["streaming"].url.String()+"?command=close&streamId="+opened.StreamID, ""); err != nil {
		return err
	}
	if err := g.wantEnd(patience, message.CodeStreamClosed); err != nil {
		return err
	}
	g.end = nil // of the stream alone
	if err := g.listen("streaming"); err != nil {
		return err
	}
	return g.leave()
}

// frail is a client that dies with its socket.
func frail(g *guest) error {
	if err := arrive(g, "frail"); err != nil {
		return err
	}
	g.drop(true)
	return g.late(message.CodeConnectionLost)
}

// plainReader is curl.
func plainReader(g *guest) error {
	subtopic := fmt.Sprintf("plain%d", g.rng.Uint32())
	ctx := g.ctx
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, g.at["streaming"].url.String()+"/soak/"+subtopic, nil)
	if err != nil {
		return err
	}
	if g.rng.IntN(2) == 0 {
		req.Header.Set("Accept", "text/event-stream")
	}
	resp, err := g.w.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	began := make([]byte, 1)
	if _, err := io.ReadFull(resp.Body, began); err != nil {
		return err
	}
	status, first, err := g.fetch(http.MethodPost, g.at["longpoll"].url.String()+"/soak/"+subtopic, `"to a reader"`)
	if err != nil || status != http.StatusOK || first.Type != "acknowledge" {
		return fmt.Errorf("a plain publish: HTTP status %d, %s, %w", status, first.raw, err)
	}
	text, found := make([]byte, 4096), ""
	for !strings.Contains(found, `"to a reader"`) {
		n, err := resp.Body.Read(text)
		if found += string(text[:n]); err != nil {
			return fmt.Errorf("a plain reader got %q: %w", found, err)
		}
	}
	return nil
}
