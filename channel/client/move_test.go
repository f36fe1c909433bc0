package client_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/channel/client"
)

// at returns where the set is, by what it told last.
func (v *traveller) at() client.Kind {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.events[len(v.events)-1].Channel
}

// wentSmoothly fails the test unless the sets are the clients they were, and were never without a channel.
func (r *roads) wentSmoothly(t *testing.T, before map[string]bool, sets ...*traveller) {
	t.Helper()
	for _, v := range sets {
		if lost := v.of(client.Disconnected); len(lost) > 0 {
			t.Errorf("lost: %v", lost[0].Cause)
		}
		for _, e := range v.of(client.Moved) {
			if !e.Resumed || e.Cause != nil || e.From == e.Channel || e.From == "" {
				t.Errorf("moved %+v", e)
			}
		}
	}
	if after := r.ids(); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("the server has %v, and had %v", after, before)
	}
}

// Told to move from each channel to each other, in the middle of traffic both ways: nothing is lost, doubled, out of order or interrupted. So also where the server does not keep clients that have no connection.
func TestMoveOverAllPairs(t *testing.T) {
	for name, keep := range map[string]time.Duration{"kept": 15 * time.Second, "not kept": 0} {
		for _, a := range kinds {
			for _, b := range kinds {
				if a == b {
					continue
				}
				t.Run(fmt.Sprintf("%s/%s to %s", name, a, b), func(t *testing.T) {
					withRoads(t, keep, func(t *testing.T, r *roads) {
						sender, receiver := r.travelWith(t, client.Options{UpgradeDelay: -1}, a, b), r.travelWith(t, client.Options{UpgradeDelay: -1}, a, b)
						before := r.ids()
						const moves = 6
						traffic(t, sender, receiver, 1000, 20*time.Second, func() {
							for i := range moves {
								time.Sleep(3 * time.Second)
								to := []client.Kind{b, a}[i%2]
								for _, v := range []*traveller{sender, receiver} {
									if err := v.MoveTo(t.Context(), to); err != nil {
										t.Error(err)
									}
									if v.at() != to {
										t.Errorf("at %s", v.at())
									}
									if err := v.MoveTo(t.Context(), to); err != nil { // where it is
										t.Error(err)
									}
								}
							}
						})
						r.wentSmoothly(t, before, sender, receiver)
						for _, v := range []*traveller{sender, receiver} {
							if n := len(v.of(client.Moved)); n != moves {
								t.Errorf("moved %d times", n)
							}
						}
					})
				})
			}
		}
	}
}

// After a fallback the set goes back by itself to the best channel that works, as soon as it does, without an interruption; and is not bothered by those that do not.
func TestBackToTheBetterChannel(t *testing.T) {
	withRoads(t, 15*time.Second, func(t *testing.T, r *roads) {
		r.open(client.LongPoll)
		sender, receiver := r.travel(t, kinds...), r.travel(t, kinds...)
		before := r.ids()
		traffic(t, sender, receiver, 3000, 10*time.Minute, func() {
			time.Sleep(time.Minute)
			r.open(client.LongPoll, client.Streaming)
			time.Sleep(3 * time.Minute)
			for _, v := range []*traveller{sender, receiver} {
				if v.at() != client.Streaming {
					t.Errorf("at %s, where streams work", v.at())
				}
			}
			r.open(kinds...)
		})
		r.wentSmoothly(t, before, sender, receiver)
		for _, v := range []*traveller{sender, receiver} {
			if moved := v.of(client.Moved); len(moved) != 2 || moved[0].From != client.LongPoll || moved[1].Channel != client.WebSocket {
				t.Errorf("moved %+v", moved)
			}
		}
	})
}

// The pauses between looks at better channels grow to the longest one, however often that is.
func TestUpgradePauses(t *testing.T) {
	withRoads(t, 15*time.Second, func(t *testing.T, r *roads) {
		r.open(client.LongPoll)
		var mu sync.Mutex
		var when []time.Duration
		began := time.Now()
		v := r.travelWith(t, client.Options{UpgradeDelay: 10 * time.Second, MaxUpgradeDelay: 40 * time.Second, Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			if strings.HasPrefix(addr, "websocket.") {
				mu.Lock()
				when = append(when, time.Since(began))
				mu.Unlock()
			}
			return r.dial(ctx, network, addr)
		}}, client.WebSocket, client.LongPoll)
		time.Sleep(30 * time.Minute)
		looks := func() []time.Duration {
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(when)
		}
		early := looks()
		for i := 1; i < len(early); i++ {
			most := min(10*time.Second<<min(i-1, 2), 40*time.Second)
			if pause := early[i] - early[i-1]; pause < most/2 || pause > most+5*time.Second {
				t.Errorf("look %d came after %v", i, pause)
			}
		}
		if len(early) < 40 || v.at() != client.LongPoll || len(v.of(client.Disconnected)) > 0 {
			t.Errorf("looked %d times: %+v", len(early), v.events)
		}

		r.open(kinds...)
		time.Sleep(5 * time.Minute)
		before := len(looks())
		r.open(client.LongPoll)
		r.hit(reset)
		time.Sleep(20 * time.Second) // the best one had lasted, so the pauses begin anew
		if after := looks(); len(v.of(client.Moved)) != 1 || len(after) < before+2 {
			t.Errorf("after the best channel had lasted, it looked %d times: %+v", len(after)-before, v.events)
		}
	})
}

// What cannot be proved is not moved to: the set stays where it is, and says why.
func TestMoveInVain(t *testing.T) {
	for _, to := range kinds {
		for name, shut := range map[string]func(*roads){
			"refused": func(r *roads) { r.open(client.WebSocket, client.Streaming, client.LongPoll); r.shut(to) },
			"silent":  func(r *roads) { r.swallow(to) },
		} {
			t.Run(fmt.Sprint(to, " ", name), func(t *testing.T) {
				withRoads(t, 15*time.Second, func(t *testing.T, r *roads) {
					var from client.Kind
					for _, from = range kinds {
						if from != to {
							break
						}
					}
					sender, receiver := r.travelWith(t, client.Options{UpgradeDelay: -1}, from, to), r.travelWith(t, client.Options{UpgradeDelay: -1}, from, to)
					before := r.ids()
					traffic(t, sender, receiver, 200, time.Minute, func() {
						time.Sleep(time.Second)
						shut(r)
						if err := receiver.MoveTo(t.Context(), to); err == nil {
							t.Error("it moved")
						}
						if err := receiver.MoveTo(t.Context(), "carrier pigeon"); err == nil || !strings.Contains(err.Error(), "none of the set's channels") {
							t.Errorf("to what there is not: %v", err)
						}
					})
					r.wentSmoothly(t, before, sender, receiver)
					if receiver.at() != from {
						t.Errorf("at %s", receiver.at())
					}
				})
			})
		}
	}
}

// Moves at random moments while connections break at random moments: whatever a move has come to, everything arrives once and in order.
func TestMoveAndBreak(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			withRoads(t, time.Minute, func(t *testing.T, r *roads) {
				random := rand.New(rand.NewPCG(seed, 2))
				sender, receiver := r.travel(t, kinds...), r.travel(t, kinds...)
				before := r.ids()
				traffic(t, sender, receiver, 2000, 3*time.Minute, func() {
					var moves sync.WaitGroup
					for range 60 {
						v, to := []*traveller{sender, receiver}[random.IntN(2)], kinds[random.IntN(3)]
						moves.Go(func() {
							ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
							defer cancel()
							_ = v.MoveTo(ctx, to)
						})
						time.Sleep(time.Duration(random.IntN(50)) * time.Millisecond)
						if random.IntN(3) == 0 {
							r.hit(reset)
						}
						time.Sleep(time.Duration(random.IntN(4000)) * time.Millisecond)
					}
					moves.Wait()
				})
				r.wentOn(t, before, 0, sender, receiver)
			})
		})
	}
}

// Who is told to move while there is no connection waits for one, and who has ended says so.
func TestMoveWithoutConnection(t *testing.T) {
	withRoads(t, time.Minute, func(t *testing.T, r *roads) {
		v := r.travel(t, kinds...)
		r.open()
		r.hit(reset)
		time.Sleep(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := v.MoveTo(ctx, client.LongPoll); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("without a connection: %v", err)
		}
		done := make(chan error)
		go func() { done <- v.MoveTo(t.Context(), client.LongPoll) }()
		time.Sleep(time.Second)
		r.open(kinds...)
		if err := <-done; err != nil {
			t.Error(err)
		}
		go func() { done <- v.MoveTo(t.Context(), client.Streaming) }()
		v.Close()
		if err := <-done; err != nil && !errors.Is(err, client.ErrClosed) {
			t.Errorf("closed meanwhile: %v", err)
		}
		if err := v.MoveTo(t.Context(), client.WebSocket); !errors.Is(err, client.ErrClosed) {
			t.Errorf("closed: %v", err)
		}
	})
}
