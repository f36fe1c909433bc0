package memengine

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"

	"sluice/channel"
	"sluice/channel/message"
)

// epoch tells the positions of one log from those of every other, of this start of the server and of others.
type epoch [7]byte

func newEpoch() (e epoch) {
	rand.Read(e[:])
	return e
}

// place is a position as it is written: the epoch and the order, 15 bytes in base64url.
type place [message.PositionSize]byte

var encoding = base64.RawURLEncoding.Strict()

// at is the position of the message of that order.
func (e epoch) at(order uint64) (p place) {
	var raw [len(e) + 8]byte
	copy(raw[:], e[:])
	binary.BigEndian.PutUint64(raw[len(e):], order)
	encoding.Encode(p[:], raw[:])
	return p
}

func (e epoch) position(order uint64) channel.Position {
	p := e.at(order)
	return channel.Position(p[:])
}

// parse reads a position. ok is false when it is none at all.
func parse(p channel.Position) (of epoch, order uint64, ok bool) {
	var raw [len(of) + 8]byte
	if len(p) != message.PositionSize {
		return of, 0, false
	}
	if n, err := encoding.Decode(raw[:], []byte(p)); err != nil || n != len(raw) { // line ends are passed over, and missing then
		return of, 0, false
	}
	copy(of[:], raw[:])
	return of, binary.BigEndian.Uint64(raw[len(of):]), true
}
