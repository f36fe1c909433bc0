package enginetest

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"sluice/channel"
	"sluice/channel/message"
)

// follower subscribes with the past while messages are published: what is delivered meanwhile it ignores, because it is in the history already; when a page is the last and reaches what was ignored, it
// goes live from there.
type follower struct {
	mu      sync.Mutex // guards the following
	topics  []string
	live    bool
	from    uint64 // live: orders up to here came from the history
	ignored uint64
	got     []*message.Message
}

func (f *follower) deliver(m *message.Message) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case !matches(f.topics, m):
	case !f.live:
		f.ignored = m.Order
	case m.Order > f.from:
		f.got = append(f.got, m)
	}
}

// replay reads until f is live.
func (f *follower) replay(engine channel.Engine, r *rand.Rand) error {
	for cursor := (channel.Cursor{From: channel.FromEarliest}); ; {
		page, err := engine.Since("d", channel.Query{Topics: f.topics, Cursor: cursor, Limit: 1 + r.IntN(50)})
		if err != nil {
			return err
		}
		if page.Missing != nil {
			return fmt.Errorf("missing %+v", page.Missing)
		}
		f.mu.Lock()
		f.got = append(f.got, page.Messages...)
		if page.Done && page.Head >= f.ignored {
			f.live, f.from = true, page.Head
			f.mu.Unlock()
			return nil
		}
		f.mu.Unlock()
		cursor = page.Next
	}
}

func testHandOver(t *testing.T, newEngine func(*testing.T) channel.Engine) {
	const producers, each = 4, 600
	engine := newEngine(t)
	engine.Configure([]channel.DestinationDefinition{definition(producers*each + 1)})
	var mu sync.Mutex
	var followers []*follower
	r := runAfter(t, engine, 0, func(batch []*message.Message) {
		mu.Lock()
		all := followers
		mu.Unlock()
		for _, m := range batch {
			for _, f := range all {
				f.deliver(m)
			}
		}
	})
	var publishing, following sync.WaitGroup
	for p := range producers {
		publishing.Go(func() {
			random := rand.New(rand.NewPCG(5, uint64(p)))
			for i := range each {
				var subtopics []string
				for range random.IntN(3) {
					subtopics = append(subtopics, []string{"a", "b", "a.x", "b.x"}[random.IntN(4)])
				}
				m, _ := message.New("d", subtopics, nil, nil, fmt.Sprintf("%d/%d", p, i), time.Now())
				if err := r.publish(m); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range 30 {
		f := &follower{topics: topicSets[i%len(topicSets)]}
		mu.Lock()
		followers = append(followers[:len(followers):len(followers)], f) // in the index, before it reads
		mu.Unlock()
		following.Go(func() {
			if err := f.replay(engine, rand.New(rand.NewPCG(6, uint64(i)))); err != nil {
				t.Errorf("%q: %v", f.topics, err)
			}
		})
		time.Sleep(time.Millisecond)
	}
	publishing.Wait()
	following.Wait()
	got := r.stop()
	for _, f := range followers {
		want := only(f.topics, got)
		p := &past{t: t}
		p.check(fmt.Sprintf("%q, live from %d", f.topics, f.from), f.got, want)
	}
}
