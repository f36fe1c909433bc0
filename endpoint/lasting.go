package endpoint

import (
	"sync"
	"sync/atomic"

	"sluice/channel"
	"sluice/flexsession"
)

// Lasting is what the endpoints of a listener keep when the configuration is reloaded. A reload makes new routes, with a Core and definitions of their own: a request goes to its end by those it began
// with. Connections go on by those that are current. All methods may be called from any goroutine.
type Lasting struct {
	mu       sync.Mutex // guards the following
	channels map[string]*Current
	streams  map[string]openStream
}

// NewLasting makes one of a listener that has served nothing yet.
func NewLasting() *Lasting {
	return &Lasting{channels: make(map[string]*Current), streams: make(map[string]openStream)}
}

// Served is a channel as a listener serves it.
type Served struct {
	Core *Core
	Def  *channel.ChannelDefinition
}

// Current is a channel as a listener serves it now. It stays the same while what it holds is replaced.
type Current struct{ served atomic.Pointer[Served] }

// Now is what holds at this moment. It must not be changed.
func (c *Current) Now() *Served { return c.served.Load() }

// Channel is the channel of def as the listener serves it now, which is by core and def unless Serve has said otherwise.
func (l *Lasting) Channel(core *Core, def *channel.ChannelDefinition) *Current {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.channels[def.ID]
	if c == nil {
		c = &Current{}
		c.served.Store(&Served{core, def})
		l.channels[def.ID] = c
	}
	return c
}

// Serve makes core and def what is current for the channel of def.
func (l *Lasting) Serve(core *Core, def *channel.ChannelDefinition) {
	l.Channel(core, def).served.Store(&Served{core, def})
}

// openStream is a stream that can be attached to or closed from another request of its client.
type openStream struct {
	channel string
	client  *flexsession.FlexClient
	held    *Held
}

// Keep enters a stream of the client, under an id that nobody can guess.
func (l *Lasting) Keep(c *flexsession.FlexClient, h *Held) (id string) {
	id = flexsession.NewID()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.streams[id] = openStream{h.Channel().ID, c, h}
	return id
}

// Drop takes a stream out that has ended.
func (l *Lasting) Drop(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.streams, id)
}

// Stream finds an open stream of the client on the channel of that id; nil when there is none.
func (l *Lasting) Stream(channel string, c *flexsession.FlexClient, id string) *Held {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := l.streams[id]; s.channel == channel && s.client == c {
		return s.held
	}
	return nil
}
