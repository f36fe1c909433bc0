package endpoint

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/go-chi/cors"

	"sluice/channel"
	"sluice/channel/message"
)

// originAllowed says whether the page that sends r, if it is a page, may use the channel: it comes from the same host, or from an origin that
// the channel allows (RFC 6454; allowed-origins). Requests without an Origin do not come from a foreign page's script.
func originAllowed(r *http.Request, def *channel.ChannelDefinition) bool {
	origin := r.Header.Get("Origin")
	return origin == "" || sameHost(origin, r.Host) || foreignAllowed(origin, def)
}

func sameHost(origin, host string) bool {
	u, err := url.Parse(origin)
	return err == nil && strings.EqualFold(u.Host, host)
}

func foreignAllowed(origin string, def *channel.ChannelDefinition) bool {
	return slices.ContainsFunc(def.AllowedOrigins, func(allowed string) bool {
		return allowed == "*" || strings.EqualFold(allowed, origin)
	})
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

// Guard wraps the handlers of an HTTP endpoint: its headers, TLS where it wants that, CORS for the origins it allows, a refusal for others, and for anything but GET net/http's protection against requests
// that a foreign page makes with the user's cookies (Sec-Fetch-Site, Origin).
func (k *Core) Guard(def *channel.ChannelDefinition) func(http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	for _, origin := range def.AllowedOrigins {
		if origin != "*" {
			if err := protection.AddTrustedOrigin(origin); err != nil {
				k.Logger.Warn().Str("channel", def.ID).Str("origin", origin).Err(err).Msg("this origin cannot be allowed")
			}
		}
	}
	anyone := slices.Contains(def.AllowedOrigins, "*")
	allow := cors.Handler(cors.Options{
		AllowOriginFunc:  func(_ *http.Request, origin string) bool { return foreignAllowed(origin, def) },
		AllowedMethods:   []string{http.MethodGet, http.MethodPost},
		AllowedHeaders:   []string{"Authorization", "Content-Type"},
		AllowCredentials: !anyone,
		MaxAge:           600,
	})
	headers := Headers(def)
	return func(next http.Handler) http.Handler {
		checked := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if def.NoCacheHeaders {
				w.Header().Set("Cache-Control", "no-store, no-transform")
			}
			maps.Copy(w.Header(), headers)
			if _, tls := k.Proxies.Client(r); def.Secure && !tls {
				k.Refuse(w, r, &message.Error{Code: message.CodeInsecure})
				return
			}
			if !originAllowed(r, def) || !anyone && protection.Check(r) != nil && !sameHost(r.Header.Get("Origin"), r.Host) {
				k.Refuse(w, r, message.Errorf(message.CodeForeignOrigin, "%s", bounded(r.Header.Get("Origin"), 200)))
				return
			}
			next.ServeHTTP(w, r)
		})
		if len(def.AllowedOrigins) == 0 {
			return checked
		}
		return allow(checked)
	}
}
