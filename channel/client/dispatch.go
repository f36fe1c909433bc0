package client

// entry is one counted line in the inbox, or several that the server skipped.
type entry struct {
	session *session
	number  uint64 // of the line, or of the last one skipped
	size    int
	line    *line // nil: skipped
	merged  uint64
	to      []*Consumer    // whom it is for
	event   *ConsumerEvent // what it tells them, unless it is a message
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
	switch {
	case l == nil:
	case l.Type == "async":
		m := newMessage(l, e.merged)
		for _, c := range e.to {
			c.take(handed{message: m})
		}
	case e.event != nil:
		if v := e.event; v.Kind == Loss && len(e.to) > 0 {
			cs.opts.Logger.Warn().Str("destination", l.Destination).Str("reason", v.Reason).Uint64("count", v.Count).Str("from", v.From).Str("to", v.To).Msg("messages are missing")
		}
		for _, c := range e.to {
			c.take(handed{event: e.event})
		}
	case l.Operation == "unsubscribe", l.Operation == "subscription_invalidate":
		for _, c := range e.to {
			c.end(l.error())
		}
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
