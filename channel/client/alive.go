package client

import (
	"fmt"
	"io"
	"time"

	"sluice/channel/message"
)

// How this side and the server know of each other that they live.
//
//   - This side sends something that is answered at least every so often, a client_ping if there is nothing else, and promises that (field "heartbeat").
//   - The server has dead-peer-timeout-millis to answer a client_ping, or to bring anything at all after it; a request has RequestTimeout.
//   - The server promises likewise to be silent on a WebSocket or a stream for no longer than server-to-client-heartbeat-millis. A poll is asked to
//     end after longestPoll.
//   - A machine that was asleep does not wait for any of this: the connection is made anew.

const (
	// longestPoll is how long a poll asks to be held at most. It bounds what wait-interval-millis leaves open.
	longestPoll = 30 * time.Second
	// lookEvery is how often the clock is looked at, to see that the machine was asleep.
	lookEvery = 5 * time.Second
)

// everyLocked is the longest silence of this side; zero or less: there is no bound.
func (cs *ChannelSet) everyLocked() time.Duration {
	if cs.opts.Heartbeat != 0 {
		return cs.opts.Heartbeat
	}
	return millis(cs.session.terms.HeartbeatIntervalMillis)
}

// patienceLocked is how long the server may leave a heartbeat unanswered, and be silent beyond what it promised.
func (cs *ChannelSet) patienceLocked() time.Duration {
	request := cs.opts.requestTimeout(cs.channel)
	if dead := millis(cs.session.terms.DeadPeerMillis); dead > 0 {
		return min(dead, request)
	}
	return request
}

func (cs *ChannelSet) patience() time.Duration {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return cs.patienceLocked()
}

// requestTimeout is how long the server may take to answer a request.
func (cs *ChannelSet) requestTimeout() time.Duration {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return cs.opts.requestTimeout(cs.channel)
}

// longestSilence is how long a WebSocket or a stream may bring nothing; zero: for ever.
func (cs *ChannelSet) longestSilence() time.Duration {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if every := millis(cs.session.terms.ServerHeartbeatMillis); every > 0 {
		return every + cs.patienceLocked()
	}
	return 0
}

// overdueLocked returns how long what is not answered may still take, and an error if it took too long.
func (cs *ChannelSet) overdueLocked(now time.Time) (time.Duration, error) {
	s, left := cs.session, time.Hour
	limit := cs.opts.requestTimeout(cs.channel)
	for _, c := range s.open {
		if !c.answered && c.onLink {
			if left = limit - now.Sub(c.sent); left <= 0 {
				return 0, vanished("a request was not answered for %v", limit)
			}
			break
		}
	}
	if s.pingID == "" {
		return left, nil
	}
	since := s.pinged
	if s.heard.After(since) {
		since = s.heard // an answer may be late behind much else
	}
	patience := cs.patienceLocked()
	unanswered := patience - now.Sub(since)
	if unanswered <= 0 {
		return 0, vanished("a heartbeat was not answered for %v", patience)
	}
	return min(left, unanswered), nil
}

// pingLocked returns a client_ping: a heartbeat, with the promise of the next one and what there is to report.
func (cs *ChannelSet) pingLocked(now time.Time) []byte {
	s := cs.session
	if s.pingID == "" { // else the answer to this one is as good as that to the last
		s.pingID, s.pinged = cs.newID(), now
	}
	s.spoke = now
	return fmt.Appendf(nil, `{"type":"command","operation":"client_ping","messageId":%q%s%s}`+"\n", s.pingID, cs.promiseLocked(), cs.reportLocked())
}

// promiseLocked is the field that says when the server will hear from this side again at the latest, and takes it as told.
func (cs *ChannelSet) promiseLocked() string {
	every := cs.everyLocked()
	if every <= 0 {
		return ""
	}
	cs.session.promised = true
	return fmt.Sprintf(`,"heartbeat":%d`, max(every.Milliseconds(), 1))
}

// slept tells whether the machine was asleep, or this program stopped, while it waited since began for no longer than wait: more time has passed than a
// connection lasts. The wall clock tells, since the clock of timers stands still on most systems while the machine sleeps. A wall clock that was set
// looks the same; then a connection is made anew that need not have been, and nothing is lost.
func (cs *ChannelSet) slept(began time.Time, wait time.Duration) error {
	cs.mu.Lock()
	lasts := max(2*cs.everyLocked(), cs.patienceLocked())
	cs.mu.Unlock()
	if away := cs.wall().Sub(began) - wait; away > lasts {
		e := concluded(message.CodeClientAsleep, fmt.Sprintf("away for %v", away.Round(time.Second)))
		e.Away = away
		return e
	}
	return nil
}

// wallClock is the time without the clock of timers.
func wallClock() time.Time { return time.Now().Round(0) }

// watched reads an answer that may not be silent for too long: the timer, which ends its request, is put off by whatever comes.
type watched struct {
	io.Reader
	timer *time.Timer
	limit func() time.Duration // zero: there is none
}

func (w watched) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	if limit := w.limit(); n > 0 && limit > 0 {
		w.timer.Reset(limit)
	}
	return n, err
}

func millis(n int64) time.Duration { return time.Duration(n) * time.Millisecond }
