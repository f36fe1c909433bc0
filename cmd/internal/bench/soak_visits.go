package bench

import (
	"errors"
	"fmt"
	"time"

	"sluice/channel/message"
)

// The times of soak-config.xml that visits wait for. Each is a multiple of stallLimit; who vanishes has ended before its session times out.
const (
	soakReconnect    = 12 * time.Second // reliable-reconnect-duration-millis
	soakReload       = 6 * time.Second  // reload-grace-millis
	soakDeadPeer     = 6 * time.Second  // dead-peer-timeout-millis
	soakSession      = 30 * time.Second // session-timeout-minutes
	soakIdle         = 12 * time.Second // connection-idle-timeout-minutes
	soakSubscription = 2 * time.Second  // subscription-timeout-minutes
	soakHandshake    = 4 * time.Second  // handshake-, read-header-, request-body-timeout-millis
)

// soakMargin is how much longer than a time of the server's a guest waits before it comes to be told its end: too early, it would be a sign of life.
const soakMargin = 3 * time.Second

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
	add("frail cut", frail)
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
		if _, err := g.until(func(serverLine) bool { return len(*heard) >= n }); err != nil {
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
	if err := g.away(soakReconnect + soakMargin); err != nil { // a poller had a pause besides
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
	g.others = func(l serverLine) { begun = begun || l.Operation == "subscribe" }
	defer func() { g.others = nil }()
	if err := g.subscribe("soak", g.own()); err != nil {
		return err
	}
	if !begun {
		if _, err := g.until(func(serverLine) bool { return begun }); err != nil {
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
	if err := g.away(soakReload + soakMargin); err != nil {
		return err
	}
	return g.late(message.CodeClientDetached)
}
