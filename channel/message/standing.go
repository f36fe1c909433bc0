package message

import "strconv"

// Standing is where a subscription stands in the history of its destination. The zero Standing says nothing.
type Standing struct {
	Position  string // of the newest message that was there: what comes after it is still to come. Empty: no history is kept
	Asked     bool   // the subscription asked for messages of the past, so Recovered is told
	Recovered bool   // all of those are still there
}

// Body is the body of the acknowledgement that says so; nil: there is nothing to say.
func (s Standing) Body() []byte {
	b := s.appendTo(nil)
	if b == nil {
		return nil
	}
	b[0] = '{' // in the place of the comma
	return append(b, '}')
}

func (s Standing) appendTo(b []byte) []byte {
	b = appendText(b, "position", s.Position)
	if s.Asked {
		b = strconv.AppendBool(appendKey(b, "recovered"), s.Recovered)
	}
	return b
}

// The reasons of [Loss].
const (
	LossHistory      = "history"       // they are no longer in the history of the destination
	LossSlowConsumer = "slow-consumer" // too many were waiting for the client, and the destination's slow-consumer-policy took them
)

// Loss tells, in the place where they are missing, that messages which a subscription should have had will not come. It is counted.
type Loss struct {
	Destination string
	ClientID    string // the subscription; empty: all that the client has on the destination
	Reason      string // one of the reasons above
	Count       uint64 // how many; zero: not known
	From, To    string // what came after From, up to and with To, which are positions; empty: not known, or no history is kept
}

// AppendLoss appends a counted line.
func AppendLoss(b []byte, l Loss) []byte {
	b = append(b, `{"type":"loss"`...)
	b = appendText(b, "destination", l.Destination)
	b = appendText(b, "clientId", l.ClientID)
	b = appendText(b, "reason", l.Reason)
	if l.Count > 0 {
		b = appendUint(b, "count", l.Count)
	}
	b = appendText(b, "from", l.From)
	b = appendText(b, "to", l.To)
	return appendEnd(b)
}
