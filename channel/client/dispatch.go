package client

// entry is one counted line in the inbox, or several that the server skipped.
type entry struct {
	session *session
	number  uint64 // of the line, or of the last one skipped
	size    int
	line    *line // nil: skipped
	forIDs  []string
}

// dispatch hands the inbox to the application, one line after the other. It is the only goroutine that calls the application's callbacks,
// and never the one that reads: so a callback may wait for an answer.
func (cs *ChannelSet) dispatch() {
	defer cs.endConsumers()
	for cs.ctx.Err() == nil {
		e, ok := cs.take()
		switch {
		case ok:
			cs.deliver(e)
			cs.handedOver(e)
		case cs.isFinished():
			return
		default:
			select {
			case <-cs.arrived:
			case <-cs.over:
			case <-cs.ctx.Done():
			}
		}
	}
}

func (cs *ChannelSet) take() (entry, bool) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if len(cs.inbox) == 0 {
		cs.inbox = nil // it may have been large
		return entry{}, false
	}
	e := cs.inbox[0]
	cs.inbox[0] = entry{}
	cs.inbox = cs.inbox[1:]
	return e, true
}

func (cs *ChannelSet) isFinished() bool {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return cs.finished
}

// deliver does what the line says, where it stands in the order.
func (cs *ChannelSet) deliver(e entry) {
	l := e.line
	if l == nil {
		return
	}
	switch {
	case l.Type == "async":
		cs.publishTo(e, newMessage(l))
	case l.Type == "subscription-state" && l.Operation == "subscribe":
		cs.mu.Lock()
		c := e.session.asked[l.CorrelationID]
		delete(e.session.asked, l.CorrelationID)
		cs.mu.Unlock()
		if c != nil {
			e.session.active[l.ClientID] = c
		}
	case l.Type == "subscription-state" && l.Operation == "unsubscribe", l.Operation == "subscription_invalidate":
		if c := e.session.active[l.ClientID]; c != nil {
			delete(e.session.active, l.ClientID)
			c.end(l.error())
		}
	}
}

// publishTo hands m to the consumers it is for: those the server named or, where it did not, the only one on the destination.
func (cs *ChannelSet) publishTo(e entry, m *Message) {
	if len(e.forIDs) > 0 {
		for _, id := range e.forIDs {
			if c := e.session.active[id]; c != nil {
				c.take(m)
			}
		}
		return
	}
	for _, c := range e.session.active {
		if c.destination == m.Destination {
			c.take(m)
		}
	}
}

// take hands one message to the application. It blocks while the buffer is full.
func (c *Consumer) take(m *Message) {
	select {
	case <-c.done:
		return
	default:
	}
	if c.handle != nil {
		c.handle(m)
		return
	}
	select {
	case c.queue <- m:
	case <-c.done:
	case <-c.cs.ctx.Done():
	}
}

// endConsumers ends what the end of the set has left over.
func (cs *ChannelSet) endConsumers() {
	<-cs.over
	err := cs.endError()
	for {
		cs.mu.Lock()
		var c *Consumer
		if len(cs.consumers) > 0 {
			c = cs.consumers[0]
		}
		cs.mu.Unlock()
		if c == nil {
			return
		}
		c.end(err)
	}
}
