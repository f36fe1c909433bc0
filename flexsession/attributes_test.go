package flexsession

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sluice/channel"
	"sluice/channel/message"
)

// attributed is what all owners of attributes have.
type attributed interface {
	SetAttribute(name string, value any) error
	RemoveAttribute(name string) error
	Attribute(name string, into any) (bool, error)
	AttributeNames() []string
}

// text is the attribute of that name; "-" where there is none.
func text(t testing.TB, a attributed, name string) string {
	t.Helper()
	var s string
	ok, err := a.Attribute(name, &s)
	if err != nil {
		t.Error(err)
	}
	if !ok {
		return "-"
	}
	return s
}

type socket struct{}

func (socket) End(Cause) {}
func (socket) Retime()   {}

// stream is a channel whose sessions are views of records.
var stream = &channel.ChannelDefinition{ID: "stream", Kind: channel.Streaming, SessionTimeout: 15 * time.Minute}

// eachOwner runs f with one owner of each kind, and what ends it.
func eachOwner(t *testing.T, change func(*Options), f func(t *testing.T, a attributed, end func())) {
	lost := Because(message.CodeConnectionLost)
	for name, of := range map[string]func(h *house) (attributed, func()){
		"websocket session": func(h *house) (attributed, func()) {
			s := h.registry.NewWebSocketSession(h.def, Peer{}, socket{}, nil)
			return s, func() { s.Invalidate(lost) }
		},
		"http session": func(h *house) (attributed, func()) {
			r, _ := h.registry.NewRecord(stream)
			r.SetToken("token")
			s := r.Session(stream, Peer{}, 0)
			return s, func() { s.Invalidate(lost) }
		},
		"client": func(h *house) (attributed, func()) {
			c := h.client(t)
			return c, func() { c.End(lost) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, change, func(t *testing.T, h *house) {
				a, end := of(h)
				f(t, a, end)
				h.registry.Close(lost)
			})
		})
	}
}

func TestAttributes(t *testing.T) {
	eachOwner(t, nil, func(t *testing.T, a attributed, end func()) {
		type cart struct {
			Items []string
			Total float64
		}
		if err := errors.Join(a.SetAttribute("cart", cart{[]string{"tea"}, 4.5}), a.SetAttribute("name", "ann"), a.SetAttribute("name", "bob"), a.SetAttribute("n", 7)); err != nil {
			t.Fatal(err)
		}
		var c cart
		if ok, err := a.Attribute("cart", &c); !ok || err != nil || len(c.Items) != 1 || c.Items[0] != "tea" || c.Total != 4.5 {
			t.Errorf("the cart is %v, %v %v", c, ok, err)
		}
		c.Items[0] = "coffee" // is a copy
		if ok, err := a.Attribute("cart", &c); !ok || err != nil || c.Items[0] != "tea" {
			t.Errorf("then it is %v, %v %v", c, ok, err)
		}
		if ok, err := a.Attribute("name", &c); !ok || err == nil {
			t.Errorf("a text is a cart: %v %v", ok, err)
		}
		if ok, err := a.Attribute("nothing", &c); ok || err != nil {
			t.Errorf("what is not there: %v %v", ok, err)
		}
		if ok, err := a.Attribute("n", nil); !ok || err != nil {
			t.Errorf("a look: %v %v", ok, err)
		}
		if err := errors.Join(a.RemoveAttribute("n"), a.RemoveAttribute("n"), a.SetAttribute("cart", nil)); err != nil {
			t.Error(err)
		}
		if names := a.AttributeNames(); !slices.Equal(names, []string{"name"}) || text(t, a, "name") != "bob" {
			t.Errorf("left are %q", names)
		}
		end()
		for what, err := range map[string]error{"set": a.SetAttribute("late", 1), "remove": a.RemoveAttribute("name")} {
			if !errors.Is(err, ErrEnded) {
				t.Errorf("%s after the end: %v", what, err)
			}
		}
		if got := text(t, a, "name"); got != "bob" {
			t.Errorf("after the end it reads %q", got)
		}
	})
}

// Each bound holds exactly, says its setting, and changes nothing.
func TestAttributeLimits(t *testing.T) {
	few := func(o *Options) { o.MaxAttributes, o.MaxAttributeBytes = 3, 20 }
	eachOwner(t, few, func(t *testing.T, a attributed, _ func()) {
		for i := range 3 {
			if err := a.SetAttribute(fmt.Sprint("key", i), strings.Repeat("x", 14)); err != nil { // 4 + 2 + 14
				t.Fatal(err)
			}
		}
		for _, c := range []struct {
			name  string
			value any
			err   error
			want  string
		}{
			{"more", 1, ErrAttributeLimit, "max-attributes is 3"},
			{"key0", strings.Repeat("x", 15), ErrAttributeLimit, "21 bytes, and max-attribute-bytes is 20"},
			{"", 1, ErrAttributeBad, "1 to 256 bytes"},
			{strings.Repeat("n", 257), 1, ErrAttributeBad, "1 to 256 bytes"},
			{"\xff", 1, ErrAttributeBad, "UTF-8"},
			{"key0", make(chan int), ErrAttributeBad, "unsupported type"},
		} {
			if err := a.SetAttribute(c.name, c.value); !errors.Is(err, c.err) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%.20q: %v, want %q", c.name, err, c.want)
			}
		}
		if err := errors.Join(a.SetAttribute("key1", "other"), a.RemoveAttribute("key2"), a.SetAttribute("new", 1)); err != nil {
			t.Errorf("where there is room: %v", err)
		}
		if names := a.AttributeNames(); !slices.Equal(names, []string{"key0", "key1", "new"}) || text(t, a, "key0") != strings.Repeat("x", 14) {
			t.Errorf("there are %q", names)
		}
	})
}

// Writers of one owner lose nothing of each other's.
func TestAttributesConcurrently(t *testing.T) {
	eachOwner(t, func(o *Options) { o.MaxAttributes = 16 }, func(t *testing.T, a attributed, end func()) {
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() {
				name := fmt.Sprint("key", i)
				for round := range 50 {
					err := a.SetAttribute(name, fmt.Sprint(round))
					if err != nil && !errors.Is(err, ErrAttributeLimit) {
						t.Error(err)
					}
					if got := text(t, a, name); err == nil && got != fmt.Sprint(round) {
						t.Errorf("%s is %q, want %d", name, got, round)
					}
				}
			})
		}
		all.Wait()
		if n := len(a.AttributeNames()); n != 16 {
			t.Errorf("there are %d, want as many as may be", n)
		}
	})
}

// The views of a record share its attributes, which a logout takes away; a client's and a socket's are their own.
func TestWhoseAttributes(t *testing.T) {
	bubble(t, nil, func(t *testing.T, h *house) {
		poll := &channel.ChannelDefinition{ID: "poll", Kind: channel.LongPoll}
		r, _ := h.registry.NewRecord(stream)
		one, two := r.Session(stream, Peer{}, 0), r.Session(poll, Peer{}, 0)
		ws := h.registry.NewWebSocketSession(h.def, Peer{}, socket{}, r)
		c, _, err := h.registry.NewClient(stream, Peer{}, r, false)
		if err != nil {
			t.Fatal(err)
		}
		for owner, a := range map[string]attributed{"session": one, "socket": ws, "client": c} {
			if err := a.SetAttribute("owner", owner); err != nil {
				t.Fatal(err)
			}
		}
		if one, two, ws, c := text(t, one, "owner"), text(t, two, "owner"), text(t, ws, "owner"), text(t, c, "owner"); one != "session" || two != "session" || ws != "socket" || c != "client" {
			t.Errorf("they are %q, %q, %q and %q", one, two, ws, c)
		}
		if err := c.Login(&channel.Principal{Name: "ann"}, true); err != nil {
			t.Fatal(err)
		}
		if got := text(t, two, "owner"); got != "session" {
			t.Errorf("after the login %q", got)
		}
		c.Logout()
		if got := text(t, two, "owner"); got != "-" {
			t.Errorf("the next user finds %q", got)
		}
		if err := one.SetAttribute("owner", "again"); err != nil {
			t.Error(err)
		}
		h.registry.Close(Because(message.CodeServerShutdown))
	})
}

// memoryStore is a store that can fail, or take its time.
type memoryStore struct {
	mu     sync.Mutex
	saved  map[string]Stored
	saves  int
	fail   error
	hold   chan struct{} // if not nil, a Save waits for it
	active map[string]time.Time
}

func (m *memoryStore) Save(s Stored) error {
	m.mu.Lock()
	hold := m.hold
	m.mu.Unlock()
	if hold != nil {
		<-hold
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	if m.saved == nil {
		m.saved = map[string]Stored{}
	}
	s.Attributes = maps.Clone(s.Attributes)
	m.saved[s.ID] = s
	m.saves++
	return nil
}

func (m *memoryStore) Forget(id, _ string) { m.mu.Lock(); delete(m.saved, id); m.mu.Unlock() }

func (m *memoryStore) Leave(active map[string]time.Time) {
	m.mu.Lock()
	m.active = active
	m.mu.Unlock()
}

// of is the stored attribute as JSON; "-" where there is none.
func (m *memoryStore) of(id, name string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if b, ok := m.saved[id].Attributes[name]; ok {
		return string(b)
	}
	return "-"
}

// A change is seen once it is stored, and not at all where it cannot be.
func TestAttributesAreStoredFirst(t *testing.T) {
	store := &memoryStore{}
	bubble(t, func(o *Options) { o.Store = store }, func(t *testing.T, h *house) {
		r, _ := h.registry.NewRecord(stream)
		s := r.Session(stream, Peer{}, 0)
		if err := s.SetAttribute("early", "1"); err != nil || store.saves != 0 { // without a cookie there is nothing to store it with
			t.Errorf("before the cookie: %v, %d saves", err, store.saves)
		}
		r.SetToken("token")
		store.hold = make(chan struct{})
		written := make(chan error, 1)
		go func() { written <- s.SetAttribute("slow", "1") }()
		synctest.Wait()
		if got := text(t, s, "slow"); got != "-" {
			t.Errorf("while it is being stored it reads %q", got)
		}
		close(store.hold)
		if err := <-written; err != nil || text(t, s, "slow") != "1" || store.of(r.ID(), "slow") != `"1"` || store.of(r.ID(), "early") != `"1"` {
			t.Errorf("once it is stored: %v, %v", err, store.saved)
		}
		store.fail = errors.New("the disk is full")
		for what, err := range map[string]error{"set": s.SetAttribute("slow", "2"), "remove": s.RemoveAttribute("slow")} {
			if !errors.Is(err, ErrAttributeUnkept) || !errors.Is(err, store.fail) || text(t, s, "slow") != "1" {
				t.Errorf("%s where it cannot be stored: %v, and it reads %q", what, err, text(t, s, "slow"))
			}
		}
		store.fail = ErrNotStored
		if err := s.SetAttribute("slow", "3"); !errors.Is(err, ErrEnded) {
			t.Errorf("where the session has just ended: %v", err)
		}
		store.fail = nil
		if err := s.RemoveAttribute("slow"); err != nil || store.of(r.ID(), "slow") != "-" {
			t.Errorf("removed: %v, %v", err, store.saved)
		}
		r.DropToken()
		n := store.saves
		if err := s.SetAttribute("unkept", "1"); err != nil || store.saves != n || text(t, s, "unkept") != "1" {
			t.Errorf("without a cookie any more: %v", err)
		}
		h.registry.Close(Because(message.CodeServerShutdown))
	})
}
