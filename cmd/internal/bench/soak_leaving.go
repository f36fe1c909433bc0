package bench

import (
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"time"

	"sluice/channel/message"
)

// wantEnd takes lines until the guest is told its end, which must be one of codes, for at most limit. It shows no sign of life meanwhile.
func (g *guest) wantEnd(limit time.Duration, codes ...message.Code) error {
	for until := time.Now().Add(limit); g.end == nil; {
		if _, err := g.next(time.Until(until)); err != nil {
			return fmt.Errorf("want the end %v: %w", codes, err)
		}
	}
	return g.endedBy(codes...)
}

func (g *guest) endedBy(codes ...message.Code) error {
	if g.end == nil {
		return fmt.Errorf("want the end %v, and no end was told", codes)
	}
	if slices.Contains(codes, message.Code(g.end.Code)) {
		return nil
	}
	return fmt.Errorf("want the end %v, got %s", codes, g.end.raw)
}

// late comes back after its time, and wants to be told how it has ended. The server may still be at it; one that only waits does not end any more, because this is a sign of life.
func (g *guest) late(codes ...message.Code) error {
	g.drop(false)
	g.end = nil
	for until := time.Now().Add(patience); g.end == nil && time.Now().Before(until); {
		if _, err := g.post(`{"type":"command","operation":"client_ping","messageId":"h"}`); err != nil {
			return err
		}
		if g.end == nil {
			if err := g.away(100 * time.Millisecond); err != nil {
				return err
			}
		}
	}
	if err := g.endedBy(codes...); err != nil {
		return fmt.Errorf("come back late: %w", err)
	}
	return nil
}

// lost waits until the server has ended the connection, without taking what it says before as what it must say.
func (g *guest) lost(limit time.Duration) error {
	for until := time.Now().Add(limit); ; {
		_, err := g.next(time.Until(until))
		var closed *closeError
		switch {
		case err == nil:
		case errors.As(err, &closed), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, errEnded), isReset(err):
			return nil
		default:
			return fmt.Errorf("want the connection ended: %w", err)
		}
	}
}

func isReset(err error) bool {
	var op *net.OpError
	return errors.As(err, &op)
}

// drop ends the connection on this side.
func (g *guest) drop(reset bool) {
	if g.link != nil {
		g.thrown += g.link.drop(reset)
		g.link, g.pollAt = nil, time.Time{}
	}
	g.moved = false
}

// leave disconnects as one should, and wants to be told so.
func (g *guest) leave() error {
	if err := granted(g.ask(message.TypeCommand, `"operation":"disconnect"`)); err != nil {
		return err
	}
	if g.link == nil {
		return nil
	}
	return g.wantEnd(patience, message.CodeClientDisconnect)
}

// linger is there, as one who is alive, for d. lines are taken; an end is an error.
func (g *guest) linger(d time.Duration) error {
	for until := time.Now().Add(d); time.Now().Before(until); {
		_, err := g.next(min(time.Until(until), time.Second))
		switch {
		case errors.Is(err, errQuiet):
			if err := g.beat(); err != nil {
				return err
			}
		case err != nil:
			return err
		case g.end != nil:
			return &endError{*g.end}
		}
	}
	return nil
}

// away waits without doing anything.
func (g *guest) away(d time.Duration) error {
	if !sleepUntil(g.ctx, time.Now().Add(d)) {
		return g.ctx.Err()
	}
	return nil
}
