package server

import (
	"context"
	"reflect"
)

// Leftovers are the things that a server has because of clients, by what they are; all are 0 when no client has been there for long enough. For tests, which look when nothing moves.
func (s *Server) Leftovers() map[string]int {
	left := make(map[string]int)
	count := func(of any, fields ...string) {
		v := reflect.ValueOf(of).Elem()
		for _, name := range fields {
			left[v.Type().Name()+"."+name] += v.FieldByName(name).Len()
		}
	}
	count(s.registry, "clients", "users", "sessions", "records")
	count(s.shared.Open, "hijacked")
	if s.shared.Open.Wait(ended()) != nil {
		left["Tracker.total"] = int(reflect.ValueOf(s.shared.Open).Elem().FieldByName("total").Int())
	}
	for _, l := range s.listeners {
		count(l.lasting, "streams")
		left["listener.open"] += int(l.open_.Load())
	}
	for _, d := range s.broker.Destinations() {
		left["Destination.Subscribers"] += d.Subscribers()
	}
	left["Wheel"] = s.wheel.Len()
	for what, n := range left {
		if n == 0 {
			delete(left, what)
		}
	}
	return left
}

func ended() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
