package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"sluice/channel/client"
	"sluice/channel/message"
	"sluice/endpoint/faults"
)

// rover is a client that never stays where it is. It keeps to the protocol, whatever its proxy does to it, and asks for more before what it asked for is answered. One goroutine uses it.
type rover struct {
	*guest
	c       *chaos
	number  int
	ear     *ear
	proxy   *faults.Proxy
	home    string // where it is while all rest: what it takes there is then always the same
	twofold bool   // it has two subscriptions for what it hears
	named   int    // for how many of them the next message is

	up    *link     // the connection of its requests over HTTP; nil: none
	posts place     // where they go
	busy  bool      // one is under way
	open  []request // without an answer, oldest first
	sent  int       // of these, those that went out on the present connection

	settled  bool      // the last attach was answered
	asked    time.Time // when it was made
	from     string    // the channel it was forced to leave by the switch under way; empty: there is none
	way      int
	inFlight bool // something was then unconfirmed both ways
	twice    bool // it has asked for it with one number by two connections

	sending, nextMove, lastConfirm, lastBeat time.Time
	due                                      float64 // messages to publish
}

// request is one of a rover.
type request struct {
	seq      uint64
	line     string // but for what it says of what was received
	answered bool
	again    bool // it was sent before
}

const (
	roverPause = 150 * time.Millisecond // between a switch and the next, on average
	maxOpen    = 48                     // requests of a rover without an answer
	maxDue     = 16                     // messages that a rover publishes late, all at once
)

func (c *chaos) rover(ctx context.Context, number int) (*rover, error) {
	proxy, err := faults.NewProxy(strings.TrimPrefix(c.url, "http://"))
	if err != nil {
		return nil, err
	}
	g := c.guest(ctx, rand.New(rand.NewPCG(c.opts.Seed, uint64(number))))
	g.at = make(map[string]place)
	for id, at := range c.at {
		moved := *at.url
		moved.Host = proxy.Addr().String()
		g.at[id] = place{at.kind, &moved}
	}
	r := &rover{guest: g, c: c, number: number, ear: c.ears[number], proxy: proxy, home: soakChannels[number%len(soakChannels)], twofold: number%3 == 0}
	r.hear = func(s stamp) {
		r.ear.hear(s)
		r.c.tally.down.Add(1)
	}
	r.others = func(l serverLine) {
		if l.Type != "subscription-state" {
			r.c.fail("a rover", fmt.Errorf("was told %s", l.raw))
		}
	}
	return r, nil
}

// group is the subtopic that client number i hears.
func group(i int) string { return fmt.Sprintf("down.%d.now", i%chaosGroups) }

// run lives until ctx ends, or chaos is over.
func (r *rover) run() {
	defer r.proxy.Close()
	defer r.hangUp(false)
	if err := r.live(); err != nil && r.ctx.Err() == nil {
		r.ear.failed.Store(true)
		r.c.fail("a rover", fmt.Errorf("client %d: %w", r.number, err))
	}
}

func (r *rover) live() error {
	if err := r.greet(r.home); err != nil {
		return err
	}
	if r.number%2 == 0 {
		r.cookie = "" // as where cookies are refused
	}
	if r.home != "websocket" {
		if err := r.listen(r.home); err != nil {
			return err
		}
	}
	if err := r.subscribe(chaosDestination, group(r.number)); err != nil {
		return err
	}
	if r.twofold {
		if err := r.subscribe(chaosDestination, strings.TrimSuffix(group(r.number), "now")+"*"); err != nil {
			return err
		}
	}
	r.settled, r.asked, r.posts = true, time.Now(), r.at["streaming"]
	r.c.absent.Add(-1)
	for r.c.phase.Load() != phaseOver {
		err := r.step()
		switch {
		case r.twice && (err != nil || r.moved) && r.end == nil: // the first request came second, and has displaced the other
			r.twice = false
			err = r.goTo(r.channel)
		case r.end != nil:
			err = &endError{*r.end}
		case r.moved:
			err = errors.New("displaced, though there was no newer attach")
		}
		if err != nil { // nothing that a rover does or suffers is a reason, now that it has given up what was cut
			return fmt.Errorf("on %s, where it went to %s: %w", r.channel, ways[r.way].name, err)
		}
	}
	r.hangUpSending()
	return r.leave()
}

// step does what is due, and takes a line if one comes.
func (r *rover) step() error {
	now := time.Now()
	busy := r.c.phase.Load() == phaseBusy
	r.c.resting[r.number].Store(!busy && r.settled && r.channel == r.home && len(r.open) == 0 && !r.busy && r.have == r.confirmed)
	r.publish(now, busy)
	switch {
	case !r.settled && now.Sub(r.asked) > patience:
		return fmt.Errorf("not attached within %v", patience)
	case r.settled && !busy && r.channel != r.home:
		r.proxy.Next(faults.Weather{})
		return r.goTo(r.home)
	case r.settled && busy && now.After(r.nextMove) && (r.channel != "longpoll" || r.have > r.confirmed || now.Sub(r.nextMove) > time.Second/2):
		return r.move()
	}
	if err := r.flush(now); err != nil {
		return err
	}
	return r.wait(10 * time.Millisecond)
}

// publish makes what is due.
func (r *rover) publish(now time.Time, busy bool) {
	if !busy {
		r.sending, r.due = time.Time{}, 0
		return
	}
	if !r.sending.IsZero() {
		r.due = min(maxDue, r.due+now.Sub(r.sending).Seconds()*float64(r.c.opts.Rate)/float64(len(r.c.published)))
	}
	for r.sending = now; r.due >= 1 && len(r.open) < maxOpen; r.due-- {
		r.compose(now)
	}
}

// compose makes one publication.
func (r *rover) compose(now time.Time) {
	r.seq++
	number := r.c.published[r.number].Load() + uint32(len(r.open)) + 1
	r.open = append(r.open, request{seq: r.seq, line: fmt.Sprintf(`{"type":"async","messageId":"r%d","seq":%d,"destination":%q,"headers":{"DSSubtopic":"up.%d"},"body":%s`,
		r.seq, r.seq, chaosDestination, r.number, stamp{r.number, number, now.UnixNano()}.body(chaosSize))})
}

// flush sends what was not sent on this connection, and confirms when that is due.
func (r *rover) flush(now time.Time) error {
	if r.link == nil || r.busy {
		return nil
	}
	var lines bytes.Buffer
	if r.have > r.confirmed && (now.Sub(r.lastConfirm) > time.Second/2 || (r.have-r.confirmed)*4 > r.window.Messages || r.c.phase.Load() != phaseBusy) {
		r.lastConfirm, r.confirmed = now, r.have
		fmt.Fprintf(&lines, `{"type":"control","operation":"confirm","have":%d,"got":%d}`+"\n", r.have, r.got)
	}
	for i := r.sent; i < len(r.open); i++ {
		q := &r.open[i]
		fmt.Fprintf(&lines, "%s,\"got\":%d}\n", q.line, r.got)
		if q.again {
			r.c.tally.repeated.Add(1)
		}
		q.again = true
	}
	r.sent = len(r.open)
	if lines.Len() == 0 && now.Sub(r.lastBeat) > chaosHeartbeat {
		lines.WriteString(`{"type":"command","operation":"client_ping","messageId":"h"}` + "\n")
	}
	if lines.Len() == 0 {
		return nil
	}
	r.lastBeat = now
	return r.say(lines.String())
}

// say sends lines, over HTTP as a request whose answer is taken later.
func (r *rover) say(lines string) error {
	if r.link != nil && r.link.kind == client.WebSocket {
		return r.send(lines)
	}
	if r.up == nil {
		var err error
		if r.up, err = r.dialHTTP(r.posts); err != nil {
			return err
		}
	}
	r.busy = true
	return r.up.request(r.posts.url, "", r.token(), r.cookie, []byte(lines))
}

// dialHTTP opens a connection for requests.
func (r *rover) dialHTTP(at place) (*link, error) {
	ctx, cancel := context.WithTimeout(r.ctx, patience)
	defer cancel()
	return openHTTP(ctx, client.LongPoll, at.url)
}

// wait takes a line if one comes within d, and those that are there already.
func (r *rover) wait(d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	var down, up chan serverLine
	if r.link != nil {
		down = r.link.lines
	}
	if r.up != nil {
		up = r.up.lines
	}
	var poll <-chan time.Time
	if !r.pollAt.IsZero() {
		poll = time.After(time.Until(r.pollAt))
	}
	select {
	case l, ok := <-down:
		switch {
		case !ok:
			return r.link.err
		case l.answer && r.settled && r.end == nil && !r.moved:
			r.pollAt = time.Now().Add(r.pausing)
		case l.answer && !r.settled:
			return fmt.Errorf("a poll was answered by HTTP status %d without what it is attached to", l.status)
		case !l.answer:
			return r.receive(l)
		}
	case l, ok := <-up:
		switch {
		case !ok:
			return r.up.err
		case l.answer:
			r.busy = false
		default:
			return r.receive(l)
		}
	case <-poll:
		return r.poll()
	case <-timer.C:
	case <-r.ctx.Done():
		return r.ctx.Err()
	}
	return nil
}

// receive takes one line.
func (r *rover) receive(l serverLine) error {
	if l.Type == message.TypeAsync && r.twofold != (r.named == 2) {
		return fmt.Errorf("a message is for %d subscriptions: %s", r.named, l.raw)
	}
	if l.counted() {
		r.named = 0
	}
	r.take(l)
	switch {
	case l.Operation == "for" && l.Type == message.TypeControl:
		r.named = len(l.ClientIDs)
	case l.Operation == "attached" && l.Type == message.TypeControl && l.Attach == r.attach && !r.settled:
		r.arrive()
	case l.Type == "acknowledge" || l.Type == "error":
		return r.answered(l)
	}
	return nil
}

// answered takes the reply to a request.
func (r *rover) answered(l serverLine) error {
	for i := range r.open {
		q := &r.open[i]
		if l.CorrelationID != fmt.Sprintf("r%d", q.seq) {
			continue
		}
		if l.Type == "error" {
			return fmt.Errorf("refused: %s", l.raw)
		}
		q.answered = true
		for len(r.open) > 0 && r.open[0].answered {
			r.got = r.open[0].seq
			r.open = r.open[1:]
			r.sent--
			r.c.published[r.number].Add(1)
			r.c.tally.up.Add(1)
		}
		return nil
	}
	if l.Type == "error" {
		return fmt.Errorf("refused: %s", l.raw)
	}
	return nil // answered twice, because it was asked twice; or a poll's
}

// arrive is the end of a switch.
func (r *rover) arrive() {
	r.settled = true
	r.nextMove = time.Now().Add(about(r.rng, roverPause))
	if r.from != "" && r.from != r.channel {
		r.c.tally.switched(r.from, r.channel, r.way, r.inFlight)
	}
	r.from = ""
}

// goTo asks to be attached at a channel, by a new connection, and sends everything again that was not answered. The connections there were end afterwards, unless that was before.
func (r *rover) goTo(channel string) error {
	before := r.thrown
	up := r.up
	r.up, r.busy, r.sent, r.named = nil, false, 0, 0
	r.settled, r.moved, r.asked = false, false, time.Now()
	r.posts = r.at[[]string{"streaming", "longpoll"}[r.rng.IntN(2)]]
	err := r.reach(channel)
	if up != nil {
		up.drop(false)
	}
	r.c.tally.thrown.Add(int64(r.thrown - before))
	return err
}

// hangUp ends the connections there are.
func (r *rover) hangUp(reset bool) {
	before := r.thrown
	r.drop(reset)
	r.c.tally.thrown.Add(int64(r.thrown - before))
	r.hangUpSending()
	r.sent, r.named = 0, 0
}

func (r *rover) hangUpSending() {
	if r.up != nil {
		r.up.drop(false)
	}
	r.up, r.busy = nil, false
}
