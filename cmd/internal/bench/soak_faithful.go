package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"sluice/channel/client"
)

// faithful is a client that keeps to the protocol and stays for the whole soak, whatever happens to its connections. It publishes, and hears what all of them
// publish: each message once, and in order.
type faithful struct {
	*guest
	s       *soak
	number  int
	home    string // the channel where it begins, and is while all are quiet: what it takes there is then always the same
	ledger  *ledger
	pending string // the publication whose reply was lost

	lastBeat, lastConfirm, nextSend, nextTrouble time.Time
}

const (
	faithfulTopic = "faithful"
	faithfulPause = 400 * time.Millisecond // between two publications of one, on average
	troublePause  = 3 * time.Second        // between two troubles of one, on average
)

func (s *soak) faithful(ctx context.Context, number int) *faithful {
	f := &faithful{s: s, guest: s.guest(ctx, rand.New(rand.NewPCG(s.opts.Seed, uint64(number)))), number: number, home: soakChannels[number%len(soakChannels)], ledger: s.witness(fmt.Sprintf("honest client %d", number))}
	f.promise = time.Second
	f.hear = func(st stamp) {
		s.count(func() { f.ledger.record(st) })
	}
	return f
}

// run lives until ctx ends, or the soak has them leave.
func (f *faithful) run() {
	defer f.drop(false)
	if err := f.live(); err != nil && f.ctx.Err() == nil {
		f.s.fail(fmt.Sprintf("honest client %d", f.number), err)
	}
}

func (f *faithful) live() error {
	if err := f.connect(f.home); err != nil {
		return err
	}
	if err := f.subscribe("soak", faithfulTopic); err != nil {
		return err
	}
	f.s.subscribed.Done()
	for f.s.phase.Load() != phaseOver {
		if err := f.step(); err != nil {
			if f.end != nil { // nothing that an honest client does is a reason
				f.s.fail("an honest connection", &endError{*f.end})
			}
			if err := f.back(); err != nil {
				return err
			}
		}
	}
	return f.leave()
}

// step does what is due, and waits for a line for a moment.
func (f *faithful) step() error {
	now := time.Now()
	busy := f.s.phase.Load() == phaseBusy
	switch {
	case f.pending != "":
		return f.deliver(f.again)
	case !busy && f.channel != f.home:
		return f.listen(f.home)
	case busy && now.After(f.nextTrouble):
		first := f.nextTrouble.IsZero()
		f.nextTrouble = now.Add(about(f.rng, troublePause))
		if !first {
			return f.trouble()
		}
	case busy && now.After(f.nextSend):
		f.nextSend = now.Add(about(f.rng, faithfulPause))
		number := f.s.published[f.number].Load() + 1
		f.pending = publication(faithfulTopic, string(stamp{f.number, number, now.UnixNano()}.body(100)))
		return f.deliver(f.ask)
	case now.Sub(f.lastBeat) > f.promise*2/3:
		f.lastBeat = now
		return f.beat()
	case f.have > f.confirmed && (now.Sub(f.lastConfirm) > time.Second/2 || (f.have-f.confirmed)*4 > f.window.Messages):
		f.lastConfirm = now
		return f.confirm()
	}
	_, err := f.next(20 * time.Millisecond)
	if errors.Is(err, errQuiet) {
		err = nil
	}
	if err == nil && f.end != nil {
		err = &endError{*f.end}
	}
	return err
}

// deliver sends the pending publication by ask, or again.
func (f *faithful) deliver(send func(typ, fields string) (serverLine, error)) error {
	if err := granted(send("async", f.pending)); err != nil {
		return err
	}
	f.pending = ""
	f.s.published[f.number].Add(1)
	return nil
}

// trouble is what befalls the honest: a lost connection, another network, a reload, a moment of sleep.
func (f *faithful) trouble() error {
	to := soakChannels[f.rng.IntN(len(soakChannels))]
	f.s.troubles.Add(1)
	switch f.rng.IntN(6) {
	case 0: // the connection is reset
		f.drop(true)
		return errEnded
	case 1: // … or closed, a moment before anyone sees
		f.drop(false)
		if err := f.away(f.upTo(time.Second)); err != nil {
			return err
		}
		return f.listen(to)
	case 2: // a better channel
		return f.listen(to)
	case 3: // a reload
		if err := f.tell(detachLine); err != nil {
			return err
		}
		f.drop(false)
		f.end = nil
		if err := f.away(f.upTo(soakReload / 4)); err != nil {
			return err
		}
		return f.listen(to)
	case 4: // the machine is busy with something else
		return f.away(f.upTo(soakDeadPeer / 2))
	default: // the answer to a request is lost: it is asked once more
		if f.link == nil || f.link.kind != client.WebSocket || f.pending != "" {
			return nil
		}
		number := f.s.published[f.number].Load() + 1
		f.seq++
		f.pending = publication(faithfulTopic, string(stamp{f.number, number, time.Now().UnixNano()}.body(100)))
		err := f.send(fmt.Sprintf(`{"type":"async","messageId":"r%d","seq":%d,%s}`, f.seq, f.seq, f.pending))
		f.drop(false)
		return errors.Join(err, errEnded)
	}
}

// back comes back after a loss, by whichever channel, as often as it takes within its time.
func (f *faithful) back() error {
	for until := time.Now().Add(soakReconnect); ; {
		f.drop(false)
		f.end = nil
		err := f.listen(soakChannels[f.rng.IntN(len(soakChannels))])
		switch {
		case err == nil:
			return nil
		case f.end != nil:
			return &endError{*f.end}
		case time.Now().After(until):
			return fmt.Errorf("come back: %w", err)
		}
		if err := f.away(50 * time.Millisecond); err != nil {
			return err
		}
	}
}
