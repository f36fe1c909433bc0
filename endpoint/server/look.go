package server

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"

	"sluice/channel"
	"sluice/channel/message"
	"sluice/flexsession"
)

// The forms in which the API shows what lives.
type (
	sessionView struct {
		ID          string       `json:"id"`
		Kind        channel.Kind `json:"kind"`
		Endpoint    string       `json:"endpoint"`
		Address     string       `json:"address"`
		UserAgent   string       `json:"userAgent,omitempty"`
		Secure      bool         `json:"secure"`
		Created     time.Time    `json:"created"`
		Connections int          `json:"connections"`
		Clients     []string     `json:"clients"`

		Failovers []failoverView `json:"failovers,omitempty"` // of its clients; not in lists
	}
	clientView struct {
		ID            string             `json:"id"`
		User          string             `json:"user,omitempty"`
		Address       string             `json:"address,omitempty"`
		Created       time.Time          `json:"created"`
		Channel       string             `json:"channel,omitempty"`
		Transport     channel.Kind       `json:"transport,omitempty"`
		Endpoint      string             `json:"endpoint,omitempty"`
		Sessions      []string           `json:"sessions"`
		Waiting       int                `json:"waiting"`
		Unconfirmed   int                `json:"unconfirmed"`
		Confirmed     uint64             `json:"confirmed"`
		Requests      uint64             `json:"requests"`
		Simple        bool               `json:"simple,omitempty"`
		Subscriptions int                `json:"subscriptions"`
		Details       []subscriptionView `json:"subscriptionDetails,omitempty"`
		Failovers     []failoverView     `json:"failovers,omitempty"` // not in lists
		Books         []booksView        `json:"books,omitempty"`     // likewise; of one that has ended as they were right before
		Ended         *endView           `json:"ended,omitempty"`
	}
	endView struct {
		At         time.Time    `json:"at"`
		Code       message.Code `json:"code"`
		Name       string       `json:"name"`
		Message    string       `json:"message"`
		Reconnect  string       `json:"reconnect"`
		RetryAfter int          `json:"retryAfterMillis,omitempty"`
		Setting    string       `json:"setting,omitempty"`
		Value      any          `json:"value,omitempty"`
		Incident   string       `json:"incident"`
	}
	subscriptionView struct {
		ClientID    string   `json:"clientId"`
		Client      string   `json:"client"`
		User        string   `json:"user,omitempty"`
		Destination string   `json:"destination"`
		Subtopics   []string `json:"subtopics"`
	}
	page[T any] struct {
		Items []T    `json:"items"`
		Next  string `json:"next,omitempty"` // pass as after for the page behind this one
	}
)

// paged answers with the part of items that the query asks for: those with an id above after, at most limit (100, at most 1000).
func paged[T any](a *api, w http.ResponseWriter, r *http.Request, items []T, id func(T) string) {
	limit := 100
	if text := r.URL.Query().Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 1000 {
			a.fail(w, message.Errorf(message.CodeBadField, "limit: expected 1 to 1000"))
			return
		}
		limit = n
	}
	slices.SortFunc(items, func(x, y T) int { return cmp.Compare(id(x), id(y)) })
	after := r.URL.Query().Get("after")
	items = items[len(items)-countAfter(items, id, after):]
	p := page[T]{Items: items}
	if len(items) > limit {
		p.Items, p.Next = items[:limit], id(items[limit-1])
	}
	if p.Items == nil {
		p.Items = []T{}
	}
	a.answer(w, http.StatusOK, p)
}

func countAfter[T any](sorted []T, id func(T) string, after string) int {
	i, _ := slices.BinarySearchFunc(sorted, after, func(x T, after string) int {
		if id(x) <= after {
			return -1
		}
		return 1
	})
	if after == "" {
		i = 0
	}
	return len(sorted) - i
}

// fits says whether value is what the query asks for under name; a query that does not ask fits all.
func fits(r *http.Request, name, value string) bool {
	want := r.URL.Query().Get(name)
	return want == "" || want == value
}

func viewSession(s flexsession.Session) sessionView {
	v := sessionView{s.ID(), s.Kind(), s.Endpoint(), s.Peer().RemoteAddr, s.Peer().UserAgent, s.Peer().Secure, s.Created(), s.Connections(), []string{}, nil}
	for _, c := range s.Clients() {
		v.Clients = append(v.Clients, c.ID())
	}
	return v
}

func viewClient(f flexsession.Facts) clientView {
	return clientView{ID: f.ID, User: f.User, Address: f.Address, Created: f.Created, Channel: f.Channel, Transport: f.Transport, Endpoint: f.Endpoint,
		Sessions: append([]string{}, f.Sessions...), Waiting: f.Waiting, Unconfirmed: f.Unconfirmed, Confirmed: f.Confirmed, Requests: f.Requests,
		Simple: f.Unreliable, Subscriptions: f.Subscriptions}
}

// viewEnd shows an end in the words that the client is told.
func viewEnd(c flexsession.Cause, at time.Time) *endView {
	end, info := c.End(), c.Code.Info()
	return &endView{At: at, Code: end.Code, Name: info.Name, Message: end.Message(), Reconnect: info.Reconnect, RetryAfter: end.RetryAfterMillis(),
		Setting: end.Key(), Value: end.Value, Incident: end.Incident}
}

func viewSubscriptions(c *flexsession.FlexClient, user string) []subscriptionView {
	var all []subscriptionView
	for _, s := range c.Subscriptions() {
		all = append(all, subscriptionView{s.ID(), c.ID(), user, s.Destination(), s.Topics()})
	}
	return all
}

func (a *api) sessions(w http.ResponseWriter, r *http.Request) {
	var found []sessionView
	for _, s := range a.s.registry.Sessions() {
		if fits(r, "kind", string(s.Kind())) && fits(r, "endpoint", s.Endpoint()) {
			found = append(found, viewSession(s))
		}
	}
	paged(a, w, r, found, func(v sessionView) string { return v.ID })
}

func (a *api) session(w http.ResponseWriter, r *http.Request) {
	s := a.s.registry.Session(chi.URLParam(r, "id"))
	if s == nil {
		a.fail(w, &message.Error{Code: message.CodeNotFound})
		return
	}
	v := viewSession(s)
	for _, c := range s.Clients() {
		v.Failovers = append(v.Failovers, viewFailovers(c.ID(), c.Failovers())...)
	}
	a.answer(w, http.StatusOK, v)
}

func (a *api) clients(w http.ResponseWriter, r *http.Request) {
	var found []clientView
	for _, c := range a.s.registry.Clients() {
		f := c.Facts()
		if fits(r, "user", f.User) && fits(r, "endpoint", f.Endpoint) && fits(r, "transport", string(f.Transport)) {
			found = append(found, viewClient(f))
		}
	}
	paged(a, w, r, found, func(v clientView) string { return v.ID })
}

// client shows one that lives, or one that has ended as it was then, and why it has.
func (a *api) client(w http.ResponseWriter, r *http.Request) {
	id := chi.URLParam(r, "id")
	c := a.s.registry.Lookup(id)
	if c == nil {
		e, ok := a.s.registry.Ended(id)
		if !ok {
			a.fail(w, &message.Error{Code: message.CodeNotFound})
			return
		}
		v := viewClient(e.Facts)
		v.Failovers, v.Books, v.Ended = viewFailovers("", e.Failovers), viewBooks(e.Books), viewEnd(e.Cause, e.At)
		a.answer(w, http.StatusOK, v)
		return
	}
	f := c.Facts()
	v := viewClient(f)
	v.Failovers, v.Books, v.Details = viewFailovers("", f.Failovers), viewBooks(f.Books), viewSubscriptions(c, v.User)
	a.answer(w, http.StatusOK, v)
}

func (a *api) subscriptions(w http.ResponseWriter, r *http.Request) {
	var found []subscriptionView
	for _, c := range a.s.registry.Clients() {
		user := ""
		if p := c.Principal(); p != nil {
			user = p.Name
		}
		for _, v := range viewSubscriptions(c, user) {
			subtopic := r.URL.Query().Get("subtopic")
			if fits(r, "client", v.Client) && fits(r, "user", user) && fits(r, "destination", v.Destination) && (subtopic == "" || slices.Contains(v.Subtopics, subtopic)) {
				found = append(found, v)
			}
		}
	}
	paged(a, w, r, found, func(v subscriptionView) string { return v.ClientID })
}

func (a *api) info(w http.ResponseWriter, _ *http.Request) {
	clients, sessions := a.s.registry.Count()
	type destinationView struct {
		ID            string `json:"id"`
		Subscriptions int    `json:"subscriptions"`
		Published     uint64 `json:"published"`
		Delivered     uint64 `json:"delivered"`

		Books booksView `json:"books"`
	}
	type channelView struct {
		ID          string       `json:"id"`
		Kind        channel.Kind `json:"kind"`
		Path        string       `json:"path"`
		Connections int          `json:"connections"`
	}
	destinations, channels := []destinationView{}, []channelView{}
	waiting := a.s.registry.Waiting()
	for _, d := range a.s.broker.Destinations() {
		stats := d.Stats()
		destinations = append(destinations, destinationView{d.Definition().ID, d.Subscribers(), stats.Published, stats.Delivered, totals(d, waiting[d])})
	}
	for _, c := range a.s.opts().Channels {
		channels = append(channels, channelView{c.ID, c.Kind, c.Path, a.core.Open.Open(c.ID)})
	}
	a.answer(w, http.StatusOK, map[string]any{
		"version": a.s.opts().Version, "started": a.s.started, "ready": a.s.ready(),
		"clients": clients, "sessions": sessions, "channels": channels, "destinations": destinations,
	})
}
