package flexsession

import (
	"testing"
	"testing/synctest"
	"time"

	"sluice/channel"
	"sluice/channel/message"
)

// A client that has outlived the record it had its user from is logged out alone.
func TestLogoutWithoutTheRecord(t *testing.T) {
	bubble(t, func(o *Options) { o.ClientTimeout = time.Hour }, func(t *testing.T, h *house) {
		def := &channel.ChannelDefinition{ID: "longpoll", Kind: channel.LongPoll, SessionTimeout: time.Minute}
		r, err := h.registry.NewRecord(def)
		if err != nil {
			t.Fatal(err)
		}
		h.def = def
		c, _, err := h.registry.NewClient(def, Peer{}, r, false)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Login(&channel.Principal{Name: "alice"}, true); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if cause := r.Ended(); cause == nil || cause.Code != message.CodeSessionTimeout || c.Record() != nil || c.Ended() != nil {
			t.Fatalf("the record has ended by %v, the client by %v", cause, c.Ended())
		}
		c.Logout()
		if cause := c.Ended(); cause == nil || cause.Code != message.CodeLogout {
			t.Errorf("logged out, it has ended by %v", cause)
		}
	})
}
