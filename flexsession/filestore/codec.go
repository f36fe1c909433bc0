package filestore

import (
	"encoding/binary"
	"errors"
	"time"
)

// Keys of what scs holds of one session.
const (
	KeyID    = "id"    // string: the inner id, which stays when the token changes; 1 to 255 bytes
	KeyState = "state" // []byte: the rest, as its owner likes it
)

// Codec is the form in which a [Store] takes sessions from scs: the deadline in seconds (8 bytes, big-endian), the length of the id (1), the id, the state.
type Codec struct{}

var errForm = errors.New("not a stored session")

// Encode implements scs.Codec. It takes the two keys, and no others.
func (Codec) Encode(deadline time.Time, values map[string]any) ([]byte, error) {
	id, _ := values[KeyID].(string)
	state, _ := values[KeyState].([]byte)
	if id == "" || len(id) > 255 || len(values) > 2 {
		return nil, errForm
	}
	b := make([]byte, 0, 9+len(id)+len(state))
	b = binary.BigEndian.AppendUint64(b, uint64(deadline.Unix()))
	b = append(b, byte(len(id)))
	b = append(b, id...)
	return append(b, state...), nil
}

// Decode implements scs.Codec. The state is a part of b.
func (Codec) Decode(b []byte) (time.Time, map[string]any, error) {
	id, state, ok := split(b)
	if !ok {
		return time.Time{}, nil, errForm
	}
	deadline := time.Unix(int64(binary.BigEndian.Uint64(b)), 0)
	return deadline, map[string]any{KeyID: id, KeyState: state}, nil
}

// split takes the id and the state out of what Encode made.
func split(b []byte) (id string, state []byte, ok bool) {
	if len(b) < 10 || b[8] == 0 || len(b) < 9+int(b[8]) {
		return "", nil, false
	}
	end := 9 + int(b[8])
	return string(b[9:end]), b[end:], true
}

// withState is b with another state.
func withState(b, state []byte) []byte {
	end := 9 + int(b[8])
	return append(append(make([]byte, 0, end+len(state)), b[:end]...), state...)
}
