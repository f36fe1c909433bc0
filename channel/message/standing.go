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
