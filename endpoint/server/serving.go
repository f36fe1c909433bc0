package server

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"reflect"
	"time"

	"sluice/channel"
	"sluice/channel/message"
	"sluice/endpoint"
)

// serving is the configuration as it holds between two reloads. Nothing in it is changed.
type serving struct {
	opts     Options
	channels []*channel.ChannelDefinition // those of opts; one that a reload did not change is the same as before
	core     endpoint.Core                // what the Cores of all listeners have in common
}

// newServing makes one of opts, with what lasts in base. Of before, nil at the start, it takes over what has not changed.
func newServing(opts Options, base endpoint.Core, before *serving) *serving {
	n := &serving{opts: opts, core: base}
	for i := range opts.Channels {
		def := &opts.Channels[i]
		if old := before.channel(def.ID); old != nil && reflect.DeepEqual(old, def) {
			def = old
		}
		n.channels = append(n.channels, def)
	}
	n.core.Passwords = opts.Passwords
	if before != nil && before.opts.MaxLoginFailures == opts.MaxLoginFailures && before.opts.MaxCounted == opts.MaxCounted {
		n.core.Logins = before.core.Logins
	} else {
		n.core.Logins = endpoint.NewLogins(opts.MaxLoginFailures, opts.MaxCounted)
	}
	n.core.Basic = make(map[string]bool)
	for _, c := range opts.Constraints {
		if c.Basic {
			n.core.Basic[c.ID] = true
		}
	}
	config := clientConfig(&opts)
	n.core.Config = func() []byte { return config }
	n.core.Limits = endpoint.Limits{
		ConfirmInterval: opts.ConfirmInterval,
		MaxOpenRequests: opts.FlexClient.MaxOpenRequests,
		MaxReplies:      opts.FlexClient.MaxWaitingBytes,
		CookieName:      opts.CookieName,
		CookieSecure:    opts.CookieSecure,
	}
	return n
}

// channel is the definition of that id, or nil.
func (n *serving) channel(id string) *channel.ChannelDefinition {
	if n != nil {
		for _, def := range n.channels {
			if def.ID == id {
				return def
			}
		}
	}
	return nil
}

// terms are what a listener goes by between two reloads. Nothing in them is changed.
type terms struct {
	Listener
	core        *endpoint.Core
	routes      http.Handler
	refuse      func(http.ResponseWriter, *http.Request, *message.Error) // in the form of what was asked for
	certificate *tls.Certificate                                         // nil: no TLS
}

// newTerms makes those of l, whose connections are to go on over reloads by what is in lasting. Of before, nil at the start, it takes over what has not changed.
func (s *Server) newTerms(l Listener, what *serving, lasting *endpoint.Lasting, before *terms) (*terms, error) {
	core := what.core
	core.Lasting = lasting
	core.Proxies = endpoint.NewProxies(l.TrustedProxies)
	core.Limits.RequestTimeout, core.Limits.Handshake = l.RequestBodyTimeout, l.HandshakeTimeout
	if before != nil && before.MaxNewSessions == l.MaxNewSessions && before.core.Gate.MaxCounted == what.opts.MaxCounted {
		core.Gate = before.core.Gate
	} else {
		core.Gate = endpoint.NewGate(l.MaxNewSessions, what.opts.MaxCounted)
	}
	t := &terms{Listener: l, core: &core}
	if l.CertificateFile != "" || l.PrivateKeyFile != "" {
		certificate, err := tls.LoadX509KeyPair(l.CertificateFile, l.PrivateKeyFile)
		if err != nil {
			return nil, fmt.Errorf("listener %q: certificate: %w", l.ID, err)
		}
		t.certificate = &certificate
	}
	t.routes, t.refuse = s.routes(&t.Listener, &core, what), s.refusal(&t.Listener, &core, what)
	return t, nil
}

// stretch gives a request the time of the terms where http.Server, which keeps to those it began with, would cut it off sooner.
func (t *terms) stretch(began *Listener, w http.ResponseWriter) {
	if t.RequestBodyTimeout <= began.RequestBodyTimeout {
		return
	}
	control, now := http.NewResponseController(w), time.Now()
	control.SetReadDeadline(now.Add(t.RequestBodyTimeout)) // no slow peer where it cannot be set
	control.SetWriteDeadline(now.Add(t.RequestBodyTimeout + answerTimeout))
}
