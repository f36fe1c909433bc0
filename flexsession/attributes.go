package flexsession

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"unicode/utf8"
)

// Errors of the attribute calls, to decide on; what is returned wraps one of them and says more.
var (
	ErrEnded           = errors.New("it has ended")
	ErrAttributeLimit  = errors.New("limit of attributes")
	ErrAttributeBad    = errors.New("bad attribute")
	ErrAttributeUnkept = errors.New("the attribute could not be stored")
)

// maxAttributeName bounds a name, in bytes.
const maxAttributeName = 256

// Attributes are what a program remembers with a session or a client, under names, as in LCDS (FlexSession.setAttribute, FlexClient.setAttribute). They are part of every [Session], [FlexClient]
// and [Record]; a StreamingSession and a LongPollSession have those of their record, so that they are the same for all tabs of a browser.
//
// Values are kept as JSON: what is read is a copy. Those of a record with a cookie are in its stored half too where there is one ([Options].Store): a change is on disk when the call has returned nil, and
// it blocks until then. Otherwise nothing blocks. They end with their owner, those of a record also with a logout: the next user of the browser shall not find them. They can
// still be read after that, in a listener for example.
//
// There are at most max-attributes of them, each with its name of at most max-attribute-bytes. Safe for concurrent use; of two changes at a time of one owner's, one waits for the other.
type Attributes struct {
	owner  *Registry // whose limits hold
	record *Record   // whose stored half changes with them; nil: there is none

	turn sync.Mutex // held through a change; of a record's it is Record.Cookie
	look sync.Mutex // guards the following
	now  map[string]json.RawMessage
	over bool
}

// SetAttribute puts value under name in place of what was there; nil removes it. The value is what encoding/json makes of it. The error wraps ErrAttributeBad (no JSON can be made of it, or the name
// is empty, longer than 256 bytes or not UTF-8), ErrAttributeLimit, ErrEnded or ErrAttributeUnkept, and nothing has changed then; after ErrAttributeUnkept and a crash either may be found.
func (a *Attributes) SetAttribute(name string, value any) error {
	if value == nil {
		return a.RemoveAttribute(name)
	}
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("set attribute %q: %w: %w", name, ErrAttributeBad, err)
	}
	if name == "" || len(name) > maxAttributeName || !utf8.ValidString(name) {
		return fmt.Errorf("set attribute %.300q: %w: the name must have 1 to %d bytes of UTF-8", name, ErrAttributeBad, maxAttributeName)
	}
	return a.change("set", name, text)
}

// RemoveAttribute removes what is under name, if anything is. The errors are those of SetAttribute.
func (a *Attributes) RemoveAttribute(name string) error { return a.change("remove", name, nil) }

// Attribute decodes what is under name into a pointer, as encoding/json does, and says whether something is there. With nil it only looks.
func (a *Attributes) Attribute(name string, into any) (bool, error) {
	a.look.Lock()
	text, ok := a.now[name]
	a.look.Unlock()
	if !ok || into == nil {
		return ok, nil
	}
	if err := json.Unmarshal(text, into); err != nil {
		return true, fmt.Errorf("read attribute %q: %w", name, err)
	}
	return true, nil
}

// AttributeNames are the names, sorted.
func (a *Attributes) AttributeNames() []string { return slices.Sorted(maps.Keys(a.all())) }

// all is the attributes as they are. The map is never changed in place.
func (a *Attributes) all() map[string]json.RawMessage {
	a.look.Lock()
	defer a.look.Unlock()
	return a.now
}

// change puts text under name, or takes it away where text is nil, once it is stored.
func (a *Attributes) change(what, name string, text json.RawMessage) error {
	turn := &a.turn
	if a.record != nil {
		turn = &a.record.Cookie
	}
	turn.Lock()
	defer turn.Unlock()
	next, err := a.changed(name, text)
	if err == nil && a.record != nil {
		err = a.record.keep(next)
	}
	if err != nil {
		return fmt.Errorf("%s attribute %q: %w", what, name, err)
	}
	a.look.Lock()
	defer a.look.Unlock()
	a.now = next
	return nil
}

// changed is a copy with the change in it.
func (a *Attributes) changed(name string, text json.RawMessage) (map[string]json.RawMessage, error) {
	a.look.Lock()
	defer a.look.Unlock()
	_, known := a.now[name]
	most, bytes := a.owner.options().MaxAttributes, a.owner.options().MaxAttributeBytes
	switch {
	case a.over:
		return nil, ErrEnded
	case text == nil:
		next := maps.Clone(a.now)
		delete(next, name)
		return next, nil
	case len(name)+len(text) > bytes:
		return nil, fmt.Errorf("%w: it has %d bytes, and max-attribute-bytes is %d", ErrAttributeLimit, len(name)+len(text), bytes)
	case !known && len(a.now) >= most:
		return nil, fmt.Errorf("%w: there are %d others, and max-attributes is %d", ErrAttributeLimit, len(a.now), most)
	}
	next := make(map[string]json.RawMessage, len(a.now)+1)
	maps.Copy(next, a.now)
	next[name] = text
	return next, nil
}

// close makes further changes fail: the owner has ended.
func (a *Attributes) close() {
	a.look.Lock()
	defer a.look.Unlock()
	a.over = true
}

// clear forgets them all. The caller holds what orders changes.
func (a *Attributes) clear() {
	a.look.Lock()
	defer a.look.Unlock()
	a.now = nil
}
