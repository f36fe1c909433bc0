package bench

import (
	"encoding/json"
	"fmt"
	"time"

	"sluice/channel/client"
	"sluice/endpoint/faults"
)

// way is one in which a rover is forced to another channel. go returns when it has asked to be attached there; whether it was, the answer tells.
type way struct {
	name string
	only client.Kind // … to channels of this kind; empty: to any
	run  func(r *rover, to string) error
}

// ways are all of them.
var ways = [...]way{
	{"hand over", "", (*rover).handOver},
	{"be cut", "", (*rover).beCut},
	{"be cut in the middle", "", (*rover).beCutInside},
	{"be swallowed", "", (*rover).beSwallowed},
	{"freeze", "", (*rover).freeze},
	{"leave much on the way", "", (*rover).leaveBehind},
	{"reload", "", (*rover).reload},
	{"change its mind", "", (*rover).changeMind},
	{"ask twice", "", (*rover).askTwice},
	{"prove it first", client.Streaming, (*rover).proveFirst},
}

// move forces the rover to another channel, in one of the ways, with something unconfirmed each way unless nothing comes down.
func (r *rover) move() error {
	now := time.Now()
	to := soakChannels[(channelIndex(r.channel)+1+r.rng.IntN(len(soakChannels)-1))%len(soakChannels)]
	r.way = r.rng.IntN(len(ways))
	for ways[r.way].only != "" && ways[r.way].only != r.at[to].kind {
		r.way = r.rng.IntN(len(ways))
	}
	for range 1 + r.rng.IntN(3) {
		if len(r.open) < maxOpen {
			r.compose(now)
			r.due--
		}
	}
	r.from, r.twice = r.channel, false
	r.proxy.Next(r.weather())
	if err := r.flush(now); err != nil {
		return err
	}
	r.inFlight = r.sent > 0 && r.have > r.confirmed
	return ways[r.way].run(r, to)
}

// weather is what the next connections go through.
func (r *rover) weather() faults.Weather {
	switch r.rng.IntN(5) {
	case 0:
		return faults.Weather{Delay: r.upTo(20 * time.Millisecond)}
	case 1:
		return faults.Weather{Hold: r.upTo(40 * time.Millisecond)}
	default:
		return faults.Weather{}
	}
}

// handOver has the new connection ask before the old one is closed.
func (r *rover) handOver(to string) error { return r.goTo(to) }

// beCut loses its connections at once.
func (r *rover) beCut(to string) error {
	reset := r.rng.IntN(2) == 0
	r.proxy.Cut(reset)
	r.hangUp(reset)
	return r.goTo(to)
}

// beCutInside loses them in the middle of a line, of which the rest comes by the next one. It goes on to take what comes until then.
func (r *rover) beCutInside(to string) error {
	r.proxy.CutAfter(r.rng.IntN(2000))
	for until := time.Now().Add(r.upTo(100 * time.Millisecond)); time.Now().Before(until); {
		if err := r.wait(time.Until(until)); err != nil || r.end != nil {
			break
		}
	}
	r.hangUp(false)
	return r.goTo(to)
}

// swallowedFor is for how long the server may believe in a connection that was swallowed.
const swallowedFor = 2 * time.Second

// beSwallowed has its connections lead nowhere, and finds out late.
func (r *rover) beSwallowed(to string) error {
	r.proxy.Now(faults.Weather{Swallow: true, Forget: swallowedFor})
	now := time.Now()
	r.compose(now)
	if !r.busy { // else it waits for the answer
		if err := r.flush(now); err != nil {
			return err
		}
	}
	if err := r.away(r.upTo(50 * time.Millisecond)); err != nil {
		return err
	}
	r.hangUp(false)
	return r.goTo(to)
}

// freeze takes nothing for a while.
func (r *rover) freeze(to string) error {
	if err := r.away(r.upTo(150 * time.Millisecond)); err != nil {
		return err
	}
	return r.goTo(to)
}

// leaveBehind has what was sent over the old connections arrive after what is sent over the new ones, and then their end.
func (r *rover) leaveBehind(to string) error {
	r.proxy.Now(faults.Weather{Delay: 20*time.Millisecond + r.upTo(200*time.Millisecond)})
	now := time.Now()
	for range 3 {
		r.compose(now)
	}
	if err := r.flush(now); err != nil {
		return err
	}
	return r.goTo(to)
}

// kept is what a page keeps over a reload.
type kept struct {
	ID, Secret, Cookie     string
	Seq, Got, Attach, Have uint64
	Open                   []string
}

// reload leaves the page, and comes back as another that has what was kept of it.
func (r *rover) reload(to string) error {
	if !r.busy {
		if err := r.say(fmt.Sprintf(`{"type":"control","operation":"detach","attach":%d}`+"\n", r.attach)); err != nil {
			return err
		}
	}
	k := kept{r.id, r.secret, r.cookie, r.seq, r.got, r.attach, r.have, nil}
	for _, q := range r.open {
		k.Open = append(k.Open, q.line)
	}
	text, err := json.Marshal(k)
	if err != nil {
		return err
	}
	r.hangUp(false)
	if err := r.away(r.upTo(50 * time.Millisecond)); err != nil {
		return err
	}
	k = kept{}
	if err := json.Unmarshal(text, &k); err != nil {
		return err
	}
	r.id, r.secret, r.cookie, r.seq, r.got, r.attach, r.have = k.ID, k.Secret, k.Cookie, k.Seq, k.Got, k.Attach, k.Have
	open := r.open
	r.open = nil
	for i, line := range k.Open {
		r.open = append(r.open, request{seq: open[i].seq, line: line, answered: open[i].answered, again: true})
	}
	return r.goTo(to)
}

// changeMind asks to be attached at the third channel, and does not wait for that.
func (r *rover) changeMind(to string) error {
	for _, ch := range soakChannels {
		if ch != to && ch != r.channel {
			if err := r.goTo(ch); err != nil {
				return err
			}
			break
		}
	}
	if r.rng.IntN(2) == 0 {
		if err := r.away(r.upTo(20 * time.Millisecond)); err != nil {
			return err
		}
	}
	return r.goTo(to)
}

// askTwice asks with the same number by a second connection, as if the first request had been lost.
func (r *rover) askTwice(to string) error {
	if err := r.goTo(to); err != nil {
		return err
	}
	if r.rng.IntN(2) == 0 {
		if err := r.away(r.upTo(20 * time.Millisecond)); err != nil {
			return err
		}
	}
	r.attach--
	r.twice = true
	return r.goTo(to)
}

// proveFirst opens a stream that is attached only when it is known that nothing on the way holds it back.
func (r *rover) proveFirst(to string) error {
	at := r.at[to]
	probe, err := r.dialHTTP(at)
	if err != nil {
		return err
	}
	if err := probe.request(at.url, "?command=open", r.token(), r.cookie, nil); err != nil {
		return err
	}
	var id string
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for id == "" {
		select {
		case l, ok := <-probe.lines:
			if !ok {
				return probe.err
			}
			id = l.StreamID
		case <-timer.C:
			probe.drop(false)
			return fmt.Errorf("a probe did not open within %v", patience)
		case <-r.ctx.Done():
			return r.ctx.Err()
		}
	}
	r.hangUp(false)
	r.link, r.channel, r.posts = probe, to, at
	r.settled, r.moved, r.asked = false, false, time.Now()
	r.attach++
	r.confirmed = r.have
	return r.say(fmt.Sprintf(`{"type":"control","operation":"attach","streamId":%q,"attach":%d,"have":%d,"got":%d}`+"\n", id, r.attach, r.have, r.got))
}
