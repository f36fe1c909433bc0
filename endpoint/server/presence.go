package server

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"

	"sluice/channel/message"
)

// memberView is a member as the API shows it.
type memberView struct {
	ID    string          `json:"id"`
	User  string          `json:"user,omitempty"`
	Since time.Time       `json:"since"`
	Info  json.RawMessage `json:"info,omitempty"`
}

// presence answers who is subscribed to a subtopic, as the command of clients does. No constraint binds the API.
func (a *api) presence(w http.ResponseWriter, r *http.Request) {
	id, query := chi.URLParam(r, "id"), r.URL.Query()
	d := a.s.broker.Destination(id)
	if d == nil {
		a.fail(w, message.Errorf(message.CodeUnknownDestination, "%q", id))
		return
	}
	limit := 0
	if text := query.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			a.fail(w, message.Errorf(message.CodeBadField, "limit: expected a number from 1"))
			return
		}
		limit = n
	}
	found, err := d.Members(query.Get("subtopic"), query.Get("after"), limit, "")
	if err != nil {
		a.fail(w, err)
		return
	}
	members := make([]memberView, len(found.Members))
	for i, m := range found.Members {
		members[i] = memberView{m.ID, m.User, m.Since, m.Info}
	}
	a.answer(w, http.StatusOK, struct {
		Count   int          `json:"count"`
		Members []memberView `json:"members"`
		Next    string       `json:"next,omitempty"`
	}{found.Count, members, found.Next})
}

// presenceCollector looks at who is there when it is asked. A destination that keeps no presence has no series.
type presenceCollector struct{ server *Server }

var (
	membersDesc   = prometheus.NewDesc("sluice_presence_members", "Clients that are subscribed to subtopics of a destination, counted once in each.", []string{"destination"}, nil)
	subtopicsDesc = prometheus.NewDesc("sluice_presence_subtopics", "Subtopics of a destination that have members.", []string{"destination"}, nil)
	changesDesc   = prometheus.NewDesc("sluice_presence_changes_total", "Members that came (join) and left (leave).", []string{"destination", "what"}, nil)
)

func (p *presenceCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- membersDesc
	ch <- subtopicsDesc
	ch <- changesDesc
}

func (p *presenceCollector) Collect(ch chan<- prometheus.Metric) {
	for _, d := range p.server.broker.Destinations() {
		def := d.Definition()
		if !def.Presence {
			continue
		}
		s := d.PresenceStats()
		ch <- prometheus.MustNewConstMetric(membersDesc, prometheus.GaugeValue, float64(s.Members), def.ID)
		ch <- prometheus.MustNewConstMetric(subtopicsDesc, prometheus.GaugeValue, float64(s.Subtopics), def.ID)
		ch <- prometheus.MustNewConstMetric(changesDesc, prometheus.CounterValue, float64(s.Joins), def.ID, message.PresenceJoin)
		ch <- prometheus.MustNewConstMetric(changesDesc, prometheus.CounterValue, float64(s.Leaves), def.ID, message.PresenceLeave)
	}
}
