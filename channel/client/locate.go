package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// maxConfig bounds what is read of a config.json, in bytes.
const maxConfig = 1 << 20

// errNotOffered ends a set that asks for a kind of channel the server does not have.
var errNotOffered = errors.New("the server does not offer it")

// Locate returns the channels that a ChannelSet with these options would try now, in their order, each with its URL. It asks the server,
// as a set does each time it begins to connect, unless every channel of the options has a URL. It waits at most Options.ConnectTimeout.
func Locate(ctx context.Context, opts Options) ([]Channel, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	h := newHTTPClient(opts)
	defer h.close()
	list, err := opts.locate(ctx, h.client)
	return list, wrap("locate the channels", err)
}

// locate fills in the channels that have no URL: with those of the server's configuration or, where it has none to tell, with those that
// stand below Options.URL under the name of their kind.
func (o Options) locate(ctx context.Context, h *http.Client) ([]Channel, error) {
	if !slices.ContainsFunc(o.Channels, func(c Channel) bool { return c.URL == "" }) && len(o.Channels) > 0 {
		return o.Channels, nil
	}
	root, err := o.root()
	if err != nil {
		return nil, err
	}
	limit := o.connectTimeout(Channel{})
	ctx, cancel := context.WithTimeoutCause(ctx, limit, vanished("no answer within %v", limit))
	defer cancel()
	offered, err := o.ask(ctx, h, root)
	if err != nil || len(o.Channels) == 0 {
		return offered, err
	}
	var list []Channel
	for _, c := range o.Channels {
		if c.URL != "" {
			list = append(list, c)
			continue
		}
		before := len(list)
		for _, theirs := range offered {
			if theirs.Kind != c.Kind || c.ID != "" && theirs.ID != "" && theirs.ID != c.ID {
				continue
			}
			if theirs.ID == "" {
				theirs.ID = c.ID
			}
			list = append(list, theirs)
		}
		if len(list) == before {
			return nil, fmt.Errorf("channel %s: %w: %s", c.Kind, errNotOffered, root.JoinPath("config.json"))
		}
	}
	return list, nil
}

// ask returns the channels of the server's config.json (docs/protocol.md section 9), the default ones in their order or else all. An answer that is
// not one, be it of a server that hides it or of a proxy in between, leads to the usual places. Without any answer there is an error.
func (o Options) ask(ctx context.Context, h *http.Client, root *url.URL) ([]Channel, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, root.JoinPath("config.json").String(), nil)
	if err != nil {
		return nil, err
	}
	for name, values := range o.Header {
		req.Header[http.CanonicalHeaderKey(name)] = values
	}
	req.Close = true // asked once in a long while
	resp, err := h.Do(req)
	if err != nil {
		if at := new(url.Error); errors.As(err, &at) {
			err = at.Err // what was asked for is nobody's concern
		}
		return nil, withCause(ctx, err)
	}
	defer resp.Body.Close()
	var config struct {
		Channels []struct {
			ID                                         string
			Type                                       Kind
			URL                                        string
			ConnectTimeoutMillis, RequestTimeoutMillis int64
			LoginAfterDisconnect                       *bool // absent: yes
		}
		DefaultChannels []string
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxConfig))
	if err != nil {
		return nil, withCause(ctx, err)
	}
	if resp.StatusCode != http.StatusOK || json.Unmarshal(text, &config) != nil {
		return usual(root), nil
	}
	byID, ids := make(map[string]Channel), config.DefaultChannels
	for _, c := range config.Channels {
		at, err := fill(root, c.URL, c.Type)
		if err != nil {
			o.Logger.Warn().Err(err).Str("channel", c.ID).Msg("a channel of the server's configuration cannot be used")
			continue
		}
		byID[c.ID] = Channel{Kind: c.Type, URL: at, ID: c.ID, wishes: wishes{
			connect: time.Duration(c.ConnectTimeoutMillis) * time.Millisecond,
			request: time.Duration(c.RequestTimeoutMillis) * time.Millisecond,
			forget:  c.LoginAfterDisconnect != nil && !*c.LoginAfterDisconnect,
		}}
		if len(config.DefaultChannels) == 0 {
			ids = append(ids, c.ID)
		}
	}
	var list []Channel
	for _, id := range ids {
		if c, ok := byID[id]; ok {
			list = append(list, c)
		}
	}
	if len(list) == 0 {
		return usual(root), nil
	}
	return list, nil
}

// usual are the channels of a server that does not tell where they are.
func usual(root *url.URL) []Channel {
	var list []Channel
	for _, kind := range []Kind{WebSocket, Streaming, LongPoll} {
		u := root.JoinPath(string(kind))
		u.Scheme = scheme(kind, u.Scheme == "https")
		list = append(list, Channel{Kind: kind, URL: u.String()})
	}
	return list
}

// fill makes an absolute URL of one in a config.json: root stands for what it leaves out, and for the tokens. As in a browser, what came over
// TLS leads to nothing in the clear.
func fill(root *url.URL, raw string, kind Kind) (string, error) {
	if !kind.known() {
		return "", fmt.Errorf("unknown channel %q", kind)
	}
	if raw == "" {
		return "", errors.New("it has no URL")
	}
	host, port := root.Hostname(), root.Port()
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[root.Scheme]
	}
	u, err := root.Parse(strings.NewReplacer("{server.name}", host, "{server.port}", port).Replace(raw))
	if err != nil {
		return "", err
	}
	u.Scheme = scheme(kind, root.Scheme == "https" || u.Scheme == "https" || u.Scheme == "wss")
	return u.String(), nil
}

func (k Kind) known() bool { return k == WebSocket || k == Streaming || k == LongPoll }

// scheme is what a channel's URL begins with.
func scheme(kind Kind, secure bool) string {
	switch {
	case kind == WebSocket && secure:
		return "wss"
	case kind == WebSocket:
		return "ws"
	case secure:
		return "https"
	}
	return "http"
}
