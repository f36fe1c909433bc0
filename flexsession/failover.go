package flexsession

import (
	"time"

	"sluice/channel/message"
)

// Failover is what a client reports of the channels that it tried in vain before the one on which it now is.
type Failover struct {
	At       time.Time // when the report came
	Endpoint string    // id of the channel it came on: the one that works
	Tried    []Try     // in the order of the tries; not empty
}

// Try is one channel that did not work. All of it is the client's word.
type Try struct {
	Channel string        // its id, as the client knows it
	Took    time.Duration // until it was given up
	Code    message.Code  // how it failed; 0: not said
	Detail  string        // for people; "": not said
}

// failover is the newest report of a client.
type failover struct {
	Failover
	epoch uint64 // the client's when it came
	shown bool   // it was wanted; otherwise it waits for a login, unseen
}

// ReportFailover keeps a report in place of the one before. A client may give one when it connects and one after each attach: those beyond that have no effect, and ReportFailover reports false. One that is
// not to be shown yet waits for [FlexClient.ShowFailover].
func (c *FlexClient) ReportFailover(f Failover, show bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended != nil || c.failover != nil && c.failover.epoch == c.epoch {
		return false
	}
	c.failover = &failover{f, c.epoch, show}
	return true
}

// Failover is the client's newest report; ok is false where there is none to be shown.
func (c *FlexClient) Failover() (f Failover, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.shownFailover()
}

// shownFailover is Failover for those who hold c.mu.
func (c *FlexClient) shownFailover() (f Failover, ok bool) {
	if c.failover == nil || !c.failover.shown {
		return Failover{}, false
	}
	return c.failover.Failover, true
}

// ShowFailover ends the waiting of a report: it is shown from now on, or else forgotten. ok is false where none was waiting.
func (c *FlexClient) ShowFailover(show bool) (f Failover, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failover == nil || c.failover.shown {
		return Failover{}, false
	}
	f = c.failover.Failover
	if c.failover.shown = show; !show {
		c.failover.Tried = nil // its epoch stays: there is no second report
	}
	return f, true
}
