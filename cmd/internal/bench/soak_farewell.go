package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"

	"sluice/channel/message"
)

// farewell has a client on each channel while the server ends in order: each is told so, and when to come back. It returns what Stop does.
func (s *soak) farewell(ctx context.Context) error {
	if s.opts.Stop == nil {
		return nil
	}
	var there, all sync.WaitGroup
	there.Add(len(soakChannels))
	for i, ch := range soakChannels {
		all.Go(func() {
			g := s.guest(ctx, rand.New(rand.NewPCG(s.opts.Seed, uint64(i))))
			defer g.drop(false)
			err := arrive(g, ch)
			there.Done()
			if err == nil {
				err = g.wantEnd(patience, message.CodeServerShutdown)
			}
			if err == nil && (g.end.Reconnect != "after" || g.end.RetryAfterMillis == 0) {
				err = fmt.Errorf("it is not told when to come back: %s", g.end.raw)
			}
			if err != nil {
				s.fail("shut down under "+ch, err)
			}
		})
	}
	there.Wait()
	err := s.opts.Stop()
	all.Wait()
	return err
}
