package flexsession

import (
	"slices"
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

// How many tries are kept for a client, in all its reports, and how many reports it may give between two attaches: one when it connects, and one each time that the channel it found does not bring
// what it promised.
const (
	maxTries   = 16
	maxReports = 4
)

// failovers are the newest reports of a client.
type failovers struct {
	reports []failover // oldest first
	epoch   uint64     // of the client when the last one came
	since   int        // how many have come since that began
}

type failover struct {
	Failover
	waits bool // for a login of somebody whose reports are wanted; it is not shown
}

// ReportFailover keeps a report, for which older ones may have to go. With waits it is not shown until [FlexClient.ShowFailovers] says so. It reports false where the report has no effect, because the client has
// ended or has given too many since its last attach.
func (c *FlexClient) ReportFailover(f Failover, waits bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failovers == nil {
		c.failovers = &failovers{epoch: c.epoch}
	}
	all := c.failovers
	if all.epoch != c.epoch {
		all.epoch, all.since = c.epoch, 0
	}
	if all.since++; c.ended != nil || all.since > maxReports {
		return false
	}
	all.reports = append(all.reports, failover{f, waits})
	tries := 0
	for i := len(all.reports) - 1; i >= 0; i-- {
		if tries += len(all.reports[i].Tried); tries > maxTries && i < len(all.reports)-1 {
			all.reports = slices.Delete(all.reports, 0, i+1)
			break
		}
	}
	return true
}

// ShowFailovers ends the waiting of reports: they are shown from now on, and returned, or else forgotten.
func (c *FlexClient) ShowFailovers(show bool) (shown []Failover) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failovers == nil {
		return nil
	}
	all := &c.failovers.reports
	*all = slices.DeleteFunc(*all, func(f failover) bool { return f.waits && !show })
	for i := range *all {
		if f := &(*all)[i]; f.waits {
			f.waits = false
			shown = append(shown, f.Failover)
		}
	}
	return shown
}

// Failovers are the newest reports of the client, oldest first, but for those that wait.
func (c *FlexClient) Failovers() []Failover {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failovers.shown()
}

func (all *failovers) shown() (shown []Failover) {
	if all == nil {
		return nil
	}
	for _, f := range all.reports {
		if !f.waits {
			shown = append(shown, f.Failover)
		}
	}
	return shown
}
