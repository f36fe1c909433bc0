package enginetest

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sluice/channel"
	"sluice/channel/message"
)

// Readers go from page to page while publishers push out what they have not read: each subtopic's messages come without a hole, or something is missing, as the page says.
func testDiscards(t *testing.T, newEngine func(*testing.T) channel.Engine) {
	const subtopics, each = 10, 200
	engine := newEngine(t)
	engine.Configure([]channel.DestinationDefinition{definition(50)})
	r := run(t, engine)
	var publishing, reading sync.WaitGroup
	var published atomic.Bool
	for s := range subtopics {
		publishing.Go(func() {
			for i := range each {
				m, _ := message.New("d", []string{fmt.Sprintf("s.%d", s)}, nil, nil, fmt.Sprintf("%d/%d", s, i+1), time.Now())
				if err := r.publish(m); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for _, topics := range [][]string{{"*"}, {"s.*", "x"}, {"s.3"}, {"s.1", "s.2", "s.5"}, {"nobody"}, {"nobody.*"}} {
		reading.Go(func() {
			random := rand.New(rand.NewPCG(8, 8))
			next := map[string]int{} // by subtopic: the number that must come
			cursor := channel.Cursor{From: channel.FromPosition}
			page, _ := engine.Since("d", channel.Query{Topics: topics})
			cursor.Position = page.Position
			for began := false; ; began = true {
				end := published.Load()
				page, err := engine.Since("d", channel.Query{Topics: topics, Cursor: cursor, Limit: 1 + random.IntN(60)})
				if err != nil {
					t.Error(err)
					return
				}
				if page.Missing != nil || !began {
					clear(next)
				}
				for _, m := range page.Messages {
					var s, i int
					fmt.Sscanf(m.ID, "%d/%d", &s, &i)
					if want, known := next[m.Subtopics[0]]; known && i != want {
						t.Errorf("%q: %s came for %d, without a word", topics, m.ID, want)
						return
					}
					next[m.Subtopics[0]] = i + 1
				}
				if page.Missing != nil && strings.HasPrefix(topics[0], "nobody") {
					t.Errorf("%q: missing %+v", topics, page.Missing)
				}
				if page.Done {
					time.Sleep(100 * time.Microsecond) // let the publishers go ahead
				}
				if cursor = page.Next; page.Done && end {
					for s, i := range next {
						if i != each+1 {
							t.Errorf("%q: %s ended with %d", topics, s, i-1)
						}
					}
					return
				}
			}
		})
	}
	publishing.Wait()
	published.Store(true)
	reading.Wait()
	r.stop()
}
