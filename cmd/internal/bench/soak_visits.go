package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"sluice/channel/client"
	"sluice/channel/message"
)

// The times of soak-config.xml that visits wait for.
const (
	soakReconnect    = 5 * time.Second // reliable-reconnect-duration-millis
	soakReload       = 2 * time.Second // reload-grace-millis
	soakDeadPeer     = 2 * time.Second // dead-peer-timeout-millis
	soakSession      = 9 * time.Second // session-timeout-minutes
	soakIdle         = 6 * time.Second // connection-idle-timeout-minutes
	soakSubscription = 2 * time.Second // subscription-timeout-minutes
	soakHandshake    = time.Second     // handshake-, read-header-, request-body-timeout-millis
)

// visit is one way to come and to go. An error is a fault of the server.
type visit struct {
	name string
	run  func(g *guest) error
}

var soakChannels = []string{"websocket", "streaming", "longpoll"}

// soakVisits are all of them.
func soakVisits() []visit {
	var all []visit
	add := func(name string, run func(g *guest) error) { all = append(all, visit{name, run}) }
	for _, ch := range soakChannels {
		add("polite "+ch, func(g *guest) error { return polite(g, ch) })
		add("cut "+ch, func(g *guest) error { return cutForGood(g, ch) })
		for _, to := range soakChannels {
			add("cut "+ch+", back "+to, func(g *guest) error { return cutAndBack(g, ch, to) })
			add("move "+ch+" to "+to, func(g *guest) error { return move(g, ch, to) })
		}
		add("reload "+ch, func(g *guest) error { return reload(g, ch) })
		add("leave the page "+ch, func(g *guest) error { return leavePage(g, ch) })
		add("slow "+ch, func(g *guest) error { return slow(g, ch) })
		add("break a promise "+ch, func(g *guest) error { return breakPromise(g, ch) })
		add("log in and out "+ch, func(g *guest) error { return loginLogout(g, ch) })
		add("administrator "+ch, func(g *guest) error { return administrator(g, ch) })
		add("subscription timeout "+ch, func(g *guest) error { return subscriptionTimeout(g, ch) })
	}
	for _, ch := range []string{"websocket", "streaming"} {
		add("freeze "+ch, func(g *guest) error { return freeze(g, ch) })
		add("take nothing "+ch, func(g *guest) error { return takeNothing(g, ch) })
	}
	for _, ch := range []string{"strict-streaming", "strict-longpoll"} {
		add("two tabs "+ch, func(g *guest) error { return twoTabs(g, ch) })
	}
	add("close websocket", closeSocket)
	add("close stream", closeStream)
	add("frail cut", func(g *guest) error { return frail(g, message.CodeConnectionLost) })
	add("leave pings unanswered", deafSocket)
	add("idle websocket", idleSocket)
	add("idle stream", idleStream)
	add("read without a client", plainReader)
	return append(all, soakLies()...)
}

// polite comes, subscribes, hears itself, and goes as one should.
func polite(g *guest, ch string) error {
	if err := g.connect(ch); err != nil {
		return err
	}
	if err := g.subscribe("soak", g.own()); err != nil {
		return err
	}
	if err := g.exchange(3); err != nil {
		return err
	}
	return g.leave()
}

// own is a subtopic that nobody else uses.
func (g *guest) own() string { return "visit." + g.id }

// exchange publishes n messages to itself, and wants each of them once, in order.
func (g *guest) exchange(n int) error {
	var heard []uint32
	g.hear = func(s stamp) { heard = append(heard, s.number) }
	defer func() { g.hear = nil }()
	first := g.rng.Uint32N(1 << 30)
	for i := range uint32(n) {
		if err := g.publish(g.own(), string(stamp{number: first + i}.body(MinSize))); err != nil {
			return err
		}
	}
	return g.wantHeard(&heard, first, n)
}

func (g *guest) wantHeard(heard *[]uint32, first uint32, n int) error {
	if len(*heard) < n {
		if _, err := g.until(func(soakLine) bool { return len(*heard) >= n }); err != nil {
			return fmt.Errorf("heard %d of %d messages: %w", len(*heard), n, err)
		}
	}
	for i, number := range *heard {
		if number != first+uint32(i) || i >= n {
			return fmt.Errorf("heard the messages %d, want the %d from %d on", *heard, n, first)
		}
	}
	return nil
}

// cutForGood vanishes without a word, and learns afterwards that it did.
func cutForGood(g *guest, ch string) error {
	if err := arrive(g, ch); err != nil {
		return err
	}
	g.drop(g.rng.IntN(2) == 0)
	if err := g.away(soakReconnect + 2*time.Second); err != nil { // a poller had a pause besides
		return err
	}
	return g.late(message.CodeClientVanished)
}

// arrive connects and subscribes to a subtopic of its own. What it receives by has brought something, and so is known to the server; then half of them wait for more.
func arrive(g *guest, ch string) error {
	if err := g.connect(ch); err != nil {
		return err
	}
	begun := false
	g.others = func(l soakLine) { begun = begun || l.Operation == "subscribe" }
	defer func() { g.others = nil }()
	if err := g.subscribe("soak", g.own()); err != nil {
		return err
	}
	if !begun {
		if _, err := g.until(func(soakLine) bool { return begun }); err != nil {
			return err
		}
	}
	if _, err := g.next(g.upTo(100 * time.Millisecond)); err != nil && !errors.Is(err, errQuiet) {
		return err
	}
	return nil
}

// cutAndBack loses its connection in the middle of traffic, comes back in time, and has lost and doubled nothing.
func cutAndBack(g *guest, ch, to string) error {
	if err := arrive(g, ch); err != nil {
		return err
	}
	if err := g.acrossACut(to); err != nil {
		return err
	}
	return g.leave()
}

func (g *guest) acrossACut(to string) error {
	var heard []uint32
	g.hear = func(s stamp) { heard = append(heard, s.number) }
	defer func() { g.hear = nil }()
	const n = 12
	first := g.rng.Uint32N(1 << 30)
	at := g.rng.Uint32N(n)
	for i := range uint32(n) {
		if i == at {
			g.drop(g.rng.IntN(2) == 0)
		}
		if err := g.publish(g.own(), string(stamp{number: first + i}.body(MinSize))); err != nil { // without a connection: by a POST
			return err
		}
	}
	if err := g.listen(to); err != nil {
		return fmt.Errorf("come back: %w", err)
	}
	return g.wantHeard(&heard, first, n)
}

// move changes to another channel while it has the first.
func move(g *guest, ch, to string) error {
	if err := arrive(g, ch); err != nil {
		return err
	}
	if err := g.exchange(2); err != nil {
		return err
	}
	if err := g.listen(to); err != nil {
		return err
	}
	if err := g.exchange(2); err != nil {
		return err
	}
	return g.leave()
}

const detachLine = `{"type":"control","operation":"detach"}`

// reload leaves its page and is back before its time is over.
func reload(g *guest, ch string) error {
	if err := arrive(g, ch); err != nil {
		return err
	}
	if err := g.tell(detachLine); err != nil {
		return err
	}
	g.drop(false)
	if err := g.away(g.upTo(soakReload / 4)); err != nil {
		return err
	}
	g.end = nil
	if err := g.listen(ch); err != nil {
		return fmt.Errorf("reload: %w", err)
	}
	if err := g.exchange(2); err != nil {
		return err
	}
	return g.leave()
}

func (g *guest) upTo(d time.Duration) time.Duration { return time.Duration(g.rng.Int64N(int64(d))) }

// leavePage leaves its page for good.
func leavePage(g *guest, ch string) error {
	if err := arrive(g, ch); err != nil {
		return err
	}
	if err := g.tell(detachLine); err != nil {
		return err
	}
	if err := g.away(soakReload + time.Second); err != nil {
		return err
	}
	return g.late(message.CodeClientDetached)
}

// flood is more than may wait for a client.
const flood = 1100

// slow subscribes to much, takes what the window lets through, and never confirms any of it.
func slow(g *guest, ch string) error {
	if err := g.connect(ch); err != nil {
		return err
	}
	if err := g.subscribe("soak", g.own()); err != nil {
		return err
	}
	if ch != "websocket" {
		g.drop(false) // it does not come for it either
	}
	if err := g.flood(flood, MinSize); err != nil {
		return err
	}
	if g.link != nil {
		return g.wantEnd(patience, message.CodeSlowConsumer)
	}
	if err := g.away(100 * time.Millisecond); err != nil {
		return err
	}
	return g.late(message.CodeSlowConsumer)
}

// flood publishes n messages of about size bytes to the guest's own subtopic, by another client.
func (g *guest) flood(n, size int) error {
	other := g.s.guest(g.ctx, g.rng)
	defer other.drop(false)
	if err := other.greet("streaming"); err != nil {
		return err
	}
	const batch = 100
	for sent := 0; sent < n; sent += batch {
		var lines strings.Builder
		for i := range min(batch, n-sent) {
			fmt.Fprintf(&lines, `{"type":"async","messageId":"f%d",%s}`+"\n", sent+i, publication(g.own(), string(stamp{number: uint32(sent + i)}.body(size))))
			if lines.Len() > 48<<10 { // of 64 KiB that a request may have
				if _, err := other.post(lines.String()); err != nil {
					return err
				}
				lines.Reset()
			}
		}
		if lines.Len() > 0 {
			if _, err := other.post(lines.String()); err != nil {
				return err
			}
		}
	}
	return other.leave()
}

// breakPromise promises heartbeats, answers pings, and lets no heartbeat follow.
func breakPromise(g *guest, ch string) error {
	g.promise = soakDeadPeer / 8
	if err := arrive(g, ch); err != nil {
		return err
	}
	if ch == "longpoll" { // each poll is a sign of life: it polls no more
		g.promise = 0
		return cutForGoodFrom(g)
	}
	if err := g.lost(2*soakDeadPeer + patience); err != nil {
		return err
	}
	g.promise = 0
	g.end = nil // of the connection alone
	if err := g.listen(ch); err != nil {
		return fmt.Errorf("come back after a silence: %w", err)
	}
	return g.leave()
}

func cutForGoodFrom(g *guest) error {
	g.drop(false)
	if err := g.away(soakReconnect + 2*time.Second); err != nil {
		return err
	}
	return g.late(message.CodeClientVanished)
}

// freeze is a process that is stopped: it reads nothing and writes nothing, but its machine acknowledges.
func freeze(g *guest, ch string) error {
	g.promise = soakDeadPeer / 4
	if err := arrive(g, ch); err != nil {
		return err
	}
	g.link.still.Store(true)
	if err := g.away(2*soakDeadPeer + soakReconnect + 2*time.Second); err != nil {
		return err
	}
	return g.late(message.CodeClientVanished)
}

// takeNothing does not read, while there is much for it.
func takeNothing(g *guest, ch string) error {
	if err := arrive(g, ch); err != nil {
		return err
	}
	if tcp, ok := g.link.conn.(interface{ SetReadBuffer(int) error }); ok {
		if err := tcp.SetReadBuffer(4096); err != nil {
			return err
		}
	}
	g.link.still.Store(true)
	if err := g.flood(200, 8<<10); err != nil {
		return err
	}
	if err := g.away(2*soakDeadPeer + soakReconnect + 2*time.Second); err != nil {
		return err
	}
	return g.late(message.CodeClientVanished, message.CodeSlowConsumer)
}

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
	tab := g.s.guest(g.ctx, g.rng)
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
	operator := g.s.guest(g.ctx, g.rng)
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
	req, err := http.NewRequestWithContext(g.ctx, http.MethodPost, g.s.opts.URL+path, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+soakKey)
	resp, err := g.s.http.Do(req)
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
	over := soakLine{}
	g.others = func(l soakLine) {
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
	tab := g.s.guest(g.ctx, g.rng)
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
	l, err := openHTTP(g.ctx, client.Streaming, g.s.at["streaming"].url)
	if err != nil {
		return err
	}
	g.link = l
	g.attach++
	if err := l.request(g.s.at["streaming"].url, "?command=open", g.token(), g.cookie, []byte(g.attachLine(""))); err != nil {
		return err
	}
	opened, err := g.until(func(l soakLine) bool { return l.StreamID != "" })
	if err != nil {
		return err
	}
	if _, _, err := g.fetch(http.MethodPost, g.s.at["streaming"].url.String()+"?command=close&streamId="+opened.StreamID, ""); err != nil {
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
func frail(g *guest, code message.Code) error {
	if err := arrive(g, "frail"); err != nil {
		return err
	}
	g.drop(true)
	if err := g.away(500 * time.Millisecond); err != nil {
		return err
	}
	return g.late(code)
}

// deafSocket leaves the server's pings unanswered.
func deafSocket(g *guest) error {
	if err := arrive(g, "websocket"); err != nil {
		return err
	}
	g.link.deaf.Store(true)
	if err := g.lost(soakDeadPeer + patience); err != nil {
		return err
	}
	if err := g.endedBy(message.CodeMissedPong); err != nil {
		return err
	}
	return cutForGoodFrom(g)
}

// idleSocket answers pings, and neither asks nor confirms anything.
func idleSocket(g *guest) error {
	if err := g.connect("websocket"); err != nil {
		return err
	}
	if err := g.wantEnd(soakIdle+patience, message.CodeIdleTimeout); err != nil {
		return err
	}
	return cutForGoodFrom(g)
}

// idleStream has its stream, and shows no sign of life: its session times out.
func idleStream(g *guest) error {
	if err := g.connect("streaming"); err != nil {
		return err
	}
	return g.wantEnd(soakSession+patience, message.CodeSessionTimeout)
}

// plainReader is curl.
func plainReader(g *guest) error {
	subtopic := fmt.Sprintf("plain%d", g.rng.Uint32())
	ctx := g.ctx
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, g.s.at["streaming"].url.String()+"/soak/"+subtopic, nil)
	if err != nil {
		return err
	}
	if g.rng.IntN(2) == 0 {
		req.Header.Set("Accept", "text/event-stream")
	}
	resp, err := g.s.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	began := make([]byte, 1)
	if _, err := io.ReadFull(resp.Body, began); err != nil {
		return err
	}
	status, first, err := g.fetch(http.MethodPost, g.s.at["longpoll"].url.String()+"/soak/"+subtopic, `"to a reader"`)
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
