package endpoint

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/alexedwards/scs/v2/memstore"

	"sluice/flexsession"
)

// innerID is the key under which a cookie's stored half names its record.
const innerID = "id"

// NewCookies makes the store of cookies: scs with its memory store. How long a session may be idle is the Registry's affair, so scs has no idle timeout (with one, every
// Load would count as a change), and the store needs no clean-up goroutine: the Registry drops what has ended.
func NewCookies() *scs.SessionManager {
	return &scs.SessionManager{
		Store:    memstore.NewWithCleanupInterval(0),
		Codec:    scs.GobCodec{},
		Lifetime: 10 * 365 * 24 * time.Hour,
	}
}

// CookieRecord finds the live record that r's cookie names, or nil.
func (k *Core) CookieRecord(r *http.Request) *flexsession.Record {
	c, err := r.Cookie(k.Limits.CookieName)
	if err != nil || c.Value == "" || len(c.Value) > 128 {
		return nil
	}
	ctx, err := k.Cookies.Load(r.Context(), c.Value)
	if err != nil {
		return nil
	}
	return k.Registry.Record(k.Cookies.GetString(ctx, innerID))
}

// setCookie stores which record the cookie names, under a new token, and puts it on w. The old token is no longer good: a cookie that somebody planted before the login is
// worth nothing after it. A page that only "*" lets in gets none.
func (k *Core) setCookie(w http.ResponseWriter, r *http.Request, record *flexsession.Record) error {
	record.Cookie.Lock()
	defer record.Cookie.Unlock()
	if sender(r) == stranger {
		if old, _ := record.SetToken(""); old != "" {
			k.Forget(old)
		}
		return nil
	}
	ctx, err := k.Cookies.Load(r.Context(), "")
	if err != nil {
		return err
	}
	k.Cookies.Put(ctx, innerID, record.ID())
	token, _, err := k.Cookies.Commit(ctx)
	if err != nil {
		return err
	}
	old, ok := record.SetToken(token)
	if !ok {
		k.Forget(token) // the record has just ended
		return nil
	}
	if old != "" {
		k.Forget(old)
		// RFC 6265 section 4.1.1: an answer sets a cookie once, also when the connect before the login in its request has set it.
		mine := func(set string) bool { return strings.HasPrefix(set, k.Limits.CookieName+"="+old+";") }
		w.Header()["Set-Cookie"] = slices.DeleteFunc(w.Header()["Set-Cookie"], mine)
	}
	http.SetCookie(w, k.cookie(r, token))
	return nil
}

// Forget drops the stored half of a cookie.
func (k *Core) Forget(token string) {
	if err := k.Cookies.Store.Delete(token); err != nil {
		k.Logger.Warn().Err(err).Msg("a session cookie could not be dropped from the store")
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
