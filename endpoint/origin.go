package endpoint

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/go-chi/cors"

	"sluice/channel"
	"sluice/channel/message"
)

// page is how the page that sends a request stands with a channel (RFC 6454; allowed-origins).
type page int

const (
	own      page = iota // the server's own, or none: a program
	listed               // of an origin that allowed-origins names
	stranger             // any other; "*" lets it in, but not as the user of a cookie
)

// pageOf tells by Origin, and by Sec-Fetch-Site where the browser sends that. A page of the same host is a stranger if it came without TLS and r has it: whoever is on the
// line may have written it. For WebSockets Origin alone counts: it is always there, and browsers do not agree on the site of a ws: address.
func (k *Core) pageOf(r *http.Request, def *channel.ChannelDefinition) page {
	origin := r.Header.Get("Origin")
	if slices.ContainsFunc(def.AllowedOrigins, func(allowed string) bool { return allowed != "*" && strings.EqualFold(allowed, origin) }) {
		return listed
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none":
	default:
		if r.Header.Get("Upgrade") == "" {
			return stranger
		}
	}
	if origin == "" || k.sameOrigin(origin, r) {
		return own
	}
	return stranger
}

func (k *Core) sameOrigin(origin string, r *http.Request) bool {
	_, tls := k.Proxies.Client(r)
	u, err := url.Parse(origin)
	return err == nil && strings.EqualFold(u.Host, r.Host) && (!tls || u.Scheme == "https")
}

// pageKey is the key of a request's page in its context.
type pageKey struct{}

// sender is the page that Guard found r to be of.
func sender(r *http.Request) page {
	p, _ := r.Context().Value(pageKey{}).(page)
	return p
}

// Headers are those that every HTTP answer of the channel has (http-response-headers). What else has a header of that name gives way.
func Headers(def *channel.ChannelDefinition) http.Header {
	all := make(http.Header, len(def.Headers))
	for _, h := range def.Headers {
		all.Add(h.Name, h.Value)
	}
	for name, values := range all {
		all[name] = slices.Clip(values) // answers share them, and may add to theirs
	}
	return all
}

// Guard wraps the handlers of an HTTP endpoint: what is set on its sockets, its headers, TLS where it wants that, CORS for the origins it allows, a refusal for others, and for anything but GET net/http's
// protection against requests that a foreign page makes with the user's cookies (Sec-Fetch-Site, Origin). The cookies of a page that only "*" lets in are dropped.
func (k *Core) Guard(def *channel.ChannelDefinition) func(http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	for _, origin := range def.AllowedOrigins {
		if origin != "*" {
			if err := protection.AddTrustedOrigin(strings.ToLower(origin)); err != nil { // as browsers write it
				k.Logger.Warn().Str("channel", def.ID).Str("origin", origin).Err(err).Msg("this origin cannot be allowed")
			}
		}
	}
	anyone := slices.Contains(def.AllowedOrigins, "*")
	headers := Headers(def)
	return func(next http.Handler) http.Handler {
		checked := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			Tune(ConnOf(r), def) // of a connection that has ended there is nothing to set
			if def.NoCacheHeaders {
				w.Header().Set("Cache-Control", "no-store, no-transform")
			}
			maps.Copy(w.Header(), headers)
			if _, tls := k.Proxies.Client(r); def.Secure && !tls {
				k.Refuse(w, r, &message.Error{Code: message.CodeInsecure})
				return
			}
			from := k.pageOf(r, def)
			if origin := r.Header.Get("Origin"); !anyone && (from == stranger && origin != "" || protection.Check(r) != nil) {
				if origin != "" { // the page may read why, and no more: without this it would see a failed request and try for ever
					w.Header().Set("Access-Control-Allow-Origin", origin)
					w.Header().Set("Vary", "Origin")
				}
				k.Logger.Info().Str("channel", def.ID).Str("origin", bounded(origin, 200)).Msg("a page of this origin was refused (allowed-origins)")
				k.Refuse(w, r, message.Errorf(message.CodeForeignOrigin, "%s", bounded(origin, 200)))
				return
			}
			if from == stranger {
				r.Header.Del("Cookie")
			}
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), pageKey{}, from)))
		})
		if len(def.AllowedOrigins) == 0 {
			return checked
		}
		withCookies, without := allow(true)(checked), allow(false)(checked)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case k.pageOf(r, def) == listed:
				withCookies.ServeHTTP(w, r)
			case anyone:
				without.ServeHTTP(w, r)
			default:
				w.Header().Add("Vary", "Origin")
				checked.ServeHTTP(w, r)
			}
		})
	}
}

// allow answers with the headers of CORS, and preflights, for an origin that was found to be allowed.
func allow(cookies bool) func(http.Handler) http.Handler {
	return cors.Handler(cors.Options{
		AllowOriginFunc:  func(*http.Request, string) bool { return true },
		AllowedMethods:   []string{http.MethodGet, http.MethodPost},
		AllowedHeaders:   []string{"Authorization", "Content-Type"},
		AllowCredentials: cookies,
		MaxAge:           600,
	})
}
