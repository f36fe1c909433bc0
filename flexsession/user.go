package flexsession

import (
	"time"

	"sluice/channel"
	"sluice/channel/message"
	"sluice/heartbeat"
)

// Principal is the client's user, or nil.
func (c *FlexClient) Principal() *channel.Principal {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.principal
}

// user is the name of the client's user; "" where nobody has logged in.
func (c *FlexClient) user() string {
	if p := c.Principal(); p != nil {
		return p.Name
	}
	return ""
}

// Foreign says whether r, the login record of a cookie or nil, is that of another user: whoever comes with it and the client's secret is not who the client is.
func (c *FlexClient) Foreign(r *Record) bool {
	if r == nil {
		return false
	}
	mine, other := c.Principal(), r.Principal()
	return mine != nil && other != nil && mine.Name != other.Name
}

// Record is the login record the client belongs to; nil for one that came over a WebSocket without a cookie.
func (c *FlexClient) Record() *Record {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.record
}

// SetRecord gives a client without a record the one it now uses over HTTP, and returns the one that it has: the first one stays.
func (c *FlexClient) SetRecord(r *Record) (*Record, *message.Error) {
	if err := r.start(c, c.registry.options().MaxClientsPerSession); err != nil {
		return nil, err
	}
	c.mu.Lock()
	if c.record == nil && c.ended == nil {
		c.record = r
	}
	has := c.record
	c.mu.Unlock()
	if has != r {
		r.drop(c, Because(message.CodeClientDisconnect))
	}
	if has == nil {
		return nil, &message.Error{Code: message.CodeUnknownClient}
	}
	return has, nil
}

// Login makes p the user of the client, and with record also of the login record behind its cookie, where the next clients of the browser find it.
// Another user, of either, must log out first.
func (c *FlexClient) Login(p *channel.Principal, record bool) *message.Error {
	if err := c.login(p, record); err != nil {
		return err
	}
	c.renamed(p.Name)
	return nil
}

func (c *FlexClient) login(p *channel.Principal, record bool) *message.Error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.ended != nil:
		return &message.Error{Code: message.CodeUnknownClient}
	case c.principal != nil && c.principal.Name != p.Name:
		return message.Errorf(message.CodeAlreadyLoggedIn, "as %s", c.principal.Name)
	}
	level := record && c.record != nil
	if level {
		if err := c.record.login(p); err != nil {
			return err
		}
	}
	c.registry.userChanged(c, c.principal, p)
	c.principal, c.fromRecord = p, level || c.fromRecord
	c.watchLogin()
	return nil
}

// watchLogin ends the client when its login is over (Principal.Expires). The caller holds c.mu.
func (c *FlexClient) watchLogin() {
	w, p := c.registry.options().Wheel, c.principal
	if c.expiry != nil {
		w.Stop(c.expiry)
		c.expiry = nil
	}
	if p == nil || p.Expires.IsZero() || c.ended != nil {
		return
	}
	c.expiry = new(heartbeat.Timer)
	w.Schedule(c.expiry, time.Until(p.Expires), func() { go c.loginOver(p) }) // the wheel must not wait for listeners
}

// loginOver ends the level that the user came from: the record with all its clients, or this client alone. A login that was renewed meanwhile is another Principal.
func (c *FlexClient) loginOver(p *channel.Principal) {
	c.mu.Lock()
	over, r, level := c.ended == nil && c.principal == p, c.record, c.fromRecord
	if over && time.Until(p.Expires) > 0 { // the clock was set back
		c.watchLogin()
		over = false
	}
	c.mu.Unlock()
	switch cause := Because(message.CodeTokenExpired); {
	case !over:
	case level && r != nil:
		r.End(cause)
	default:
		c.End(cause)
	}
}

// Logout takes the user off the level it came from, and ends all clients that have it from there: this client alone, or those of the record. It returns the record whose cookie
// is to be renewed, or nil. The caller has acknowledged before it calls this.
func (c *FlexClient) Logout() *Record {
	c.mu.Lock()
	r, level := c.record, c.fromRecord
	c.mu.Unlock()
	cause := Because(message.CodeLogout).WithIncident() // one for all who hear of it
	if !level || r == nil {                             // without one: the client has outlived the record
		c.End(cause)
		return nil
	}
	r.logout()
	for _, other := range r.members() {
		if other == c || other.hasRecordsUser() {
			other.End(cause)
		}
	}
	if r.guest {
		return nil // it has ended with its client
	}
	return r
}

func (c *FlexClient) hasRecordsUser() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fromRecord
}

// onSocket says whether the client is attached to a WebSocket.
func (c *FlexClient) onSocket() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.transport != nil && c.transport.Channel().Kind == channel.WebSocket
}
