package server

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"sluice/channel/message"
	"sluice/flexsession"
)

// Shutdown ends the server in order: (1) it is not ready any more and refuses new clients, (2) its clients are told to move, each in its turn, over [Options].DrainWindow, and are
// served as before until then, (3) the listeners close, but for the internal ones, and whatever is left without a client is told, (4) what is under way has until the end of
// ctx, where that is cancelled a quarter of a second more for the last word, and is then cut off, (5) the internal listeners close: until now operators could look on, (6) the engine and the wheel stop.
//
// It returns ctx's error, and how many connections that was, when something had to be cut off. Further calls wait for the first, and do nothing.
func (s *Server) Shutdown(ctx context.Context) (err error) {
	s.once.Do(func() { err = s.shutdown(ctx) })
	return err
}

func (s *Server) shutdown(ctx context.Context) error {
	log, began := s.opts().Log("Startup"), time.Now()
	close(s.closing)
	clients, sessions := s.registry.Count()
	window := s.window(ctx)
	log.Info().Int("clients", clients).Int("sessions", sessions).Stringer("window", window).Msg("shutting down")

	s.broker.Release()
	told := s.tellAll(ctx, window)
	for _, l := range s.listeners {
		if l.Role != Internal {
			l.stopAccepting()
		}
	}
	s.registry.Close(goAway(0, window))
	cut, err := s.finish(ctx)
	for _, l := range s.listeners {
		if l.Role == Internal {
			err = errors.Join(err, l.shutdown(ctx))
		}
	}
	s.reserve.close()
	if s.stop != nil {
		s.stop()
	}
	s.running.Wait()

	end := log.Info()
	if cut > 0 {
		end = log.Warn()
	}
	end.Int("told", told).Int("cut", cut).Stringer("took", time.Since(began).Round(time.Millisecond)).Msg("shut down")
	return err
}

// window is how long the turns of the clients may take: what is configured, but a fifth of the time there is stays for the last one's goodbye.
func (s *Server) window(ctx context.Context) time.Duration {
	window := max(0, s.opts().DrainWindow)
	if end, limited := ctx.Deadline(); limited {
		window = min(window, max(0, time.Until(end)*4/5))
	}
	return window
}

// goAway is the cause of one client's end, or refusal, of a server that is drained for window: it is to come back after left and a time of its own, so that neither the server's next process nor
// its neighbours meet all at once. That time is what the code says, and up to the window more, at least up to as much again.
func goAway(left, window time.Duration) flexsession.Cause {
	least := time.Duration(message.CodeServerShutdown.Info().RetryAfterMillis) * time.Millisecond
	return flexsession.Cause{Code: message.CodeServerShutdown, RetryAfter: max(left, 0) + least + rand.N(max(window, least))}
}

// turnsAtOnce is how close to each other turns are that are taken together, refusalsAlike how long those who are refused are given the same time.
const (
	turnsAtOnce   = 10 * time.Millisecond
	refusalsAlike = time.Second
)

// tellAll ends the clients, evenly spread over window and in no order, and returns how many. It is over sooner when no client is left, and when ctx ends: then the rest have their
// turn at once. New clients are refused from its beginning, until about when the window is over.
func (s *Server) tellAll(ctx context.Context, window time.Duration) (told int) {
	began := time.Now()
	s.registry.Refuse(goAway(window, window)) // before the look at who is there: nobody comes unseen
	clients := s.registry.Clients()
	if len(clients) == 0 {
		return 0
	}
	rand.Shuffle(len(clients), func(i, j int) { clients[i], clients[j] = clients[j], clients[i] })
	step := window / time.Duration(len(clients))
	for next := 0; ; {
		passed := time.Since(began)
		s.registry.Refuse(goAway(window-passed, window))
		for ; next < len(clients) && step*time.Duration(next) <= passed; next++ {
			if clients[next].End(goAway(0, window)) {
				told++
			}
		}
		if left, _ := s.registry.Count(); next == len(clients) || left == 0 {
			return told
		}
		select {
		case <-time.After(min(max(step*time.Duration(next)-passed, turnsAtOnce), refusalsAlike)):
		case <-ctx.Done():
			step = 0
		}
	}
}

// lastWord is how long a connection may take that is told of the end when ctx is cancelled: as long as it takes where nothing is in the way. Of a time that is known before, the window has left some for it.
const lastWord = 250 * time.Millisecond

// finish waits for the requests and the connections that are under way on the listeners that are not internal. After the end of ctx it cuts them off, and returns how many there were; what works for one of
// them has a moment to end.
func (s *Server) finish(ctx context.Context) (cut int, err error) {
	if err = s.underWay(ctx); err == nil || ctx.Err() == nil {
		return 0, err
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWord)
		defer cancel()
		if s.underWay(last) == nil {
			return 0, nil
		}
	}
	for _, l := range s.listeners {
		if l.Role != Internal {
			cut += int(l.open_.Load())
		}
	}
	for _, l := range s.listeners {
		if l.Role != Internal {
			l.http.Close()
		}
	}
	s.shared.Open.Cut()
	moment, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	s.shared.Open.Wait(moment) // err says already that not all went well
	return cut, fmt.Errorf("connections cut off: %d: %w", cut, ctx.Err())
}

// underWay returns when nothing is under way any more on the listeners that are not internal, or when ctx ends.
func (s *Server) underWay(ctx context.Context) (err error) {
	for _, l := range s.listeners {
		if l.Role != Internal {
			l.fresh.close()
			err = errors.Join(err, l.http.Shutdown(ctx))
		}
	}
	return errors.Join(err, s.shared.Open.Wait(ctx))
}
