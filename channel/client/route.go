package client

// Which Consumers a counted line is for, and where it leaves them. This is settled when a line arrives and not when it is handed to the application, which may be much later: a
// Consumer that must subscribe anew goes on behind the last line that has arrived.

// route finds out whom e is for and what it tells them; ids are the subscriptions that the server named for it. The caller holds ChannelSet.mu.
func (s *session) route(e *entry, ids []string) {
	l := e.line
	switch {
	case l.Type == "async":
		e.to = s.receivers(l, ids)
		for _, c := range e.to {
			c.stand(l.Position)
		}
	case l.Type == "loss":
		e.to, e.event = s.named(l), &ConsumerEvent{Kind: Loss, Reason: l.Reason, Count: l.Count, From: l.From, To: l.To}
		for _, c := range e.to {
			c.stand(l.To)
		}
	case l.Type == "subscription-state" && l.Operation == "subscribe":
		if c := s.asked[l.CorrelationID]; c != nil {
			delete(s.asked, l.CorrelationID)
			s.active[l.ClientID] = c
			e.to, e.event = c.alone[:], c.begin(l)
		}
	case l.Type == "subscription-state" && l.Operation == "live":
		e.to, e.event = s.named(l), &ConsumerEvent{Kind: Live, To: l.Position}
		for _, c := range e.to {
			c.stand(l.Position)
		}
	case l.Type == "subscription-state" && l.Operation == "unsubscribe", l.Operation == "subscription_invalidate":
		e.to = s.named(l)
		delete(s.active, l.ClientID)
	}
}

// receivers are those the server named for a message or, where it did not, the only one on the destination.
func (s *session) receivers(l *line, ids []string) []*Consumer {
	if len(ids) == 0 {
		return s.on(l.Destination)
	}
	to := make([]*Consumer, 0, len(ids))
	for _, id := range ids {
		if c := s.active[id]; c != nil {
			to = append(to, c)
		}
	}
	return to
}

// named is whom a line is about: its subscription or, where it names none, all on its destination.
func (s *session) named(l *line) []*Consumer {
	if l.ClientID == "" {
		return s.on(l.Destination)
	}
	if c := s.active[l.ClientID]; c != nil {
		return c.alone[:]
	}
	return nil
}

func (s *session) on(destination string) []*Consumer {
	var to []*Consumer
	for _, c := range s.active {
		if c.destination != destination {
			continue
		}
		if to == nil {
			to = c.alone[:]
		} else {
			to = append(to[:len(to):len(to)], c)
		}
	}
	return to
}

// stand takes a position that the Consumer has come to; empty: there is none to tell. The caller holds ChannelSet.mu.
func (c *Consumer) stand(position string) {
	if position != "" {
		c.arrived = position
	}
}

// begin takes the line with which the subscription begins, and returns what there is to tell of it. The caller holds ChannelSet.mu.
func (c *Consumer) begin(l *line) *ConsumerEvent {
	anew := c.begun
	c.begun, c.standing = true, true
	c.stand(l.Position)
	switch {
	case l.Recovered != nil:
		return &ConsumerEvent{Kind: Recovered, Complete: *l.Recovered, To: l.Position}
	case anew:
		return &ConsumerEvent{Kind: Loss, Reason: LossNotKept}
	}
	return nil
}
