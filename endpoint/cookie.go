package endpoint

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/alexedwards/scs/v2/memstore"
	"github.com/rs/zerolog"

	"sluice/flexsession"
	"sluice/flexsession/filestore"
)

// Cookies knows which record a session cookie is of. What it knows is in memory, or in a file that outlives the process; the records themselves are the Registry's in either case, so that no request waits
// for a disk but those that change what is stored: connect, login and logout over HTTP, and writes of attributes. Safe for concurrent use.
type Cookies struct {
	scs    *scs.SessionManager
	file   *filestore.Store // nil: in memory
	logger zerolog.Logger
}

var _ flexsession.Store = (*Cookies)(nil)

// NewCookies makes one on an open file of sessions, or, with nil, in memory. Tokens and their form are those of scs. How long a session may be idle is the Registry's affair, so scs has no idle timeout (with one, every
// Load would count as a change), and the memory store needs no clean-up goroutine: the Registry drops what has ended.
func NewCookies(file *filestore.Store, logger zerolog.Logger) *Cookies {
	c := &Cookies{file: file, logger: logger, scs: &scs.SessionManager{Codec: filestore.Codec{}, Lifetime: 10 * 365 * 24 * time.Hour}}
	if file != nil {
		c.scs.Store = file
	} else {
		c.scs.Store = memstore.NewWithCleanupInterval(0)
	}
	return c
}

// record is the inner id of the record whose cookie has that value; "" when there is none.
func (c *Cookies) record(ctx context.Context, token string) string {
	ctx, err := c.scs.Load(ctx, token)
	if err != nil {
		c.logger.Error().Err(err).Msg("the store of sessions could not be read")
		return ""
	}
	return c.scs.GetString(ctx, filestore.KeyID)
}

// issue stores the record under a new value of its cookie, in place of the one before. The caller holds the record's Cookie.
func (c *Cookies) issue(ctx context.Context, r *flexsession.Record) (token string, err error) {
	ctx, err = c.scs.Load(ctx, "")
	if err != nil {
		return "", err
	}
	c.scs.Put(ctx, filestore.KeyID, r.ID())
	if c.file != nil {
		state, err := json.Marshal(r.Stored())
		if err != nil {
			return "", err
		}
		c.scs.Put(ctx, filestore.KeyState, state)
	}
	token, _, err = c.scs.Commit(ctx)
	return token, err
}

// Save implements flexsession.Store.
func (c *Cookies) Save(s flexsession.Stored) error {
	if c.file == nil {
		return nil
	}
	state, err := json.Marshal(s)
	if err != nil {
		return err
	}
	err = c.file.Update(s.ID, state)
	switch {
	case errors.Is(err, filestore.ErrUnknown):
		return flexsession.ErrNotStored
	case err != nil:
		c.logger.Error().Err(err).Msg("a session could not be stored")
	}
	return err
}

// Forget implements flexsession.Store.
func (c *Cookies) Forget(id, token string) {
	if c.file != nil {
		c.file.Remove(id)
	} else if token != "" {
		_ = c.scs.Store.Delete(token) // memory does not fail
	}
}

// Leave implements flexsession.Store.
func (c *Cookies) Leave(active map[string]time.Time) {
	if c.file == nil {
		return
	}
	if err := c.file.Settle(active); err != nil {
		c.logger.Error().Err(err).Msg("it could not be stored when sessions were last active: after the start all of them count as active now")
	}
}

// CookieRecord finds the live record that r's cookie names, or nil.
func (k *Core) CookieRecord(r *http.Request) *flexsession.Record {
	c, err := r.Cookie(k.Limits.CookieName)
	if err != nil || c.Value == "" || len(c.Value) > 128 {
		return nil
	}
	id := k.Cookies.record(r.Context(), c.Value)
	if id == "" {
		return nil
	}
	if record := k.Registry.Record(id); record != nil && record.HasCookie() {
		return record
	}
	return nil
}

// setCookie stores which record the cookie names, under a new token, and puts it on w. The old token is no longer good: a cookie that somebody planted before the login is
// worth nothing after it. A page that only "*" lets in gets none; nor does any while the store fails, and then the old one is worth nothing either.
func (k *Core) setCookie(w http.ResponseWriter, r *http.Request, record *flexsession.Record) error {
	record.Cookie.Lock()
	defer record.Cookie.Unlock()
	if sender(r) == stranger {
		k.dropCookie(record)
		return nil
	}
	token, err := k.Cookies.issue(r.Context(), record)
	if err != nil {
		k.dropCookie(record)
		return err
	}
	old, ok := record.SetToken(token)
	if !ok {
		k.Cookies.Forget(record.ID(), token) // the record has just ended
		return nil
	}
	if old != "" {
		if k.Cookies.file == nil { // a file has one token for each record
			k.Cookies.Forget(record.ID(), old)
		}
		// RFC 6265 section 4.1.1: an answer sets a cookie once, also when the connect before the login in its request has set it.
		mine := func(set string) bool { return strings.HasPrefix(set, k.Limits.CookieName+"="+old+";") }
		w.Header()["Set-Cookie"] = slices.DeleteFunc(w.Header()["Set-Cookie"], mine)
	}
	http.SetCookie(w, k.cookie(r, token))
	return nil
}

// dropCookie makes the record's cookie worth nothing. The caller holds its Cookie.
func (k *Core) dropCookie(record *flexsession.Record) {
	if old, had := record.DropToken(); had {
		k.Cookies.Forget(record.ID(), old)
	}
}

// cookie is as strict as it can be: Lax for the same site; for a page of an origin that allowed-origins names it must be None, and then Secure and
// partitioned by the top-level site (CHIPS).
func (k *Core) cookie(r *http.Request, token string) *http.Cookie {
	_, tls := k.Proxies.Client(r)
	c := &http.Cookie{
		Name:     k.Limits.CookieName,
		Value:    token,
		Path:     "/",
		HttpOnly: true,
		Secure:   k.Limits.CookieSecure == "true" || k.Limits.CookieSecure != "false" && tls,
		SameSite: http.SameSiteLaxMode,
	}
	if sender(r) == listed && tls {
		c.SameSite, c.Secure, c.Partitioned = http.SameSiteNoneMode, true, true
	}
	return c
}
