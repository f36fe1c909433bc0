package flexsession

import (
	"encoding/json"
	"testing"
	"time"

	"sluice/channel"
	"sluice/channel/message"
)

// What a store has of a record is what a record is made of again: under the same id, with its user and attributes, and with what is left of its time.
func TestRestore(t *testing.T) {
	store := &memoryStore{}
	bubble(t, func(o *Options) { o.Store, o.MaxSessions = store, 2 }, func(t *testing.T, h *house) {
		r, _ := h.registry.NewRecord(stream)
		r.SetToken("token")
		r.SetAttribute("k", "v")
		if err := r.login(&channel.Principal{Name: "ann"}); err != nil {
			t.Fatal(err)
		}
		text_, err := json.Marshal(r.Stored())
		var s Stored
		if err != nil || json.Unmarshal(text_, &s) != nil {
			t.Fatal(err)
		}
		if h.registry.Restore(s, stream, nil, 0) {
			t.Error("a record that is there was restored")
		}
		made := time.Now()
		r.End(Because(message.CodeServerShutdown))
		time.Sleep(time.Hour)

		if s.User != "ann" || s.Channel != "stream" || !h.registry.Restore(s, stream, &channel.Principal{Name: "ann", Roles: []string{"friends"}}, 10*time.Minute) {
			t.Fatalf("not restored: %+v", s)
		}
		again := h.registry.Record(r.ID())
		view := again.Session(stream, Peer{}, 0)
		if p := again.Principal(); p == nil || p.Name != "ann" || !again.HasCookie() || text(t, view, "k") != "v" || !view.Created().Equal(made) {
			t.Errorf("restored are %v, %q, of %v, want %v", p, text(t, view, "k"), view.Created(), made)
		}
		if !h.registry.Restore(Stored{ID: "second"}, stream, nil, 20*time.Minute) || h.registry.Restore(Stored{ID: "third"}, stream, nil, 0) {
			t.Error("max-sessions does not hold")
		}
		time.Sleep(time.Second)
		if h.registry.Record("second") != nil {
			t.Error("one that had timed out lives")
		}
		time.Sleep(4 * time.Minute)
		if h.registry.Record(r.ID()) == nil {
			t.Error("it ended too early")
		}
		time.Sleep(time.Minute)
		if h.registry.Record(r.ID()) != nil {
			t.Error("its time began anew")
		}
	})
}

// A record that ends is forgotten, but where the server goes down: then the store hears which lived, and when each was last active.
func TestForgetAndLeave(t *testing.T) {
	store := &memoryStore{}
	bubble(t, func(o *Options) { o.Store = store }, func(t *testing.T, h *house) {
		records := map[string]*Record{}
		for _, name := range []string{"ended", "timed out", "idle", "busy", "guest"} {
			r, _ := h.registry.NewRecord(stream)
			if name == "guest" {
				r = h.registry.NewGuestRecord(stream)
			} else {
				r.SetToken(name)
			}
			r.SetAttribute("name", name)
			records[name] = r
		}
		records["ended"].End(Because(message.CodeAdministrator))
		time.Sleep(10 * time.Minute)
		for _, name := range []string{"idle", "busy", "guest"} {
			records[name].Touch()
		}
		time.Sleep(6 * time.Minute)
		records["busy"].Touch()
		h.registry.Close(Because(message.CodeServerShutdown))
		now := time.Now()
		if len(store.saved) != 2 || len(store.active) != 2 {
			t.Fatalf("kept are %v, active %v", store.saved, store.active)
		}
		for name, idle := range map[string]time.Duration{"idle": 6 * time.Minute, "busy": 0} {
			r := records[name]
			if got := now.Sub(store.active[r.ID()]); got != idle || store.of(r.ID(), "name") == "-" {
				t.Errorf("%s: not active for %v, want %v", name, got, idle)
			}
		}
		if err := records["busy"].SetAttribute("late", 1); err == nil {
			t.Error("a session that has ended in this process was written to")
		}
	})
}
