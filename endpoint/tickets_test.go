package endpoint

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"sluice/channel"
)

func TestTickets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ann, k := &channel.Principal{Name: "ann"}, NewTickets(100)
		id := k.Issue("c", ann)
		if p, ok := k.Use(id); p != ann || !ok {
			t.Errorf("used: %v %v", p, ok)
		}
		if p, ok := k.Use(id); p != nil || ok {
			t.Errorf("used again: %v %v", p, ok)
		}
		if _, ok := k.Use(""); ok {
			t.Error("no ticket was taken for one")
		}
		if p, ok := k.Use(k.Issue("c", nil)); p != nil || !ok {
			t.Errorf("a ticket of nobody: %v %v", p, ok)
		}
		early, late := k.Issue("c", ann), k.Issue("c", ann)
		time.Sleep(ticketLife)
		if _, ok := k.Use(early); !ok {
			t.Error("it did not live for its time")
		}
		time.Sleep(time.Nanosecond)
		if _, ok := k.Use(late); ok {
			t.Error("it lived beyond its time")
		}
	})
}

// However many are issued, used or not, no more than the limit are remembered; the newest are good.
func TestTicketsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := NewTickets(3)
		var ids []string
		for i := range 1000 {
			ids = append(ids, k.Issue(fmt.Sprint(i%500), nil))
			if i%2 == 0 {
				k.Use(ids[i])
			}
			if len(k.out) > 3 || len(k.order) > 6 || len(k.clients) > 3 {
				t.Fatalf("%d tickets of %d clients, %d in order", len(k.out), len(k.clients), len(k.order))
			}
		}
		if _, ok := k.Use(ids[999]); !ok {
			t.Error("the newest is not good")
		}
		if _, ok := k.Use(ids[1]); ok {
			t.Error("the oldest is")
		}
		k.Issue("c", nil)
		time.Sleep(time.Hour)
		k.Issue("c", nil)
		if len(k.out) != 1 || len(k.clients) != 1 || len(k.order) != 1 {
			t.Errorf("%d are out, want those that have ended dropped", len(k.out))
		}
	})
}

// A client that asks for one ticket after the other pushed out those of all others.
func TestTicketsOfOneClientLeaveRoomForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := NewTickets(100)
		first, others := k.Issue("quiet", nil), []string{}
		for range 500 {
			others = append(others, k.Issue("greedy", nil))
		}
		if len(k.out) != ticketsPerClient+1 || len(k.order) > 200 {
			t.Errorf("%d are out, %d in order", len(k.out), len(k.order))
		}
		if _, ok := k.Use(first); !ok {
			t.Error("the other client's was pushed out")
		}
		for i, id := range others {
			if _, ok := k.Use(id); ok != (i >= len(others)-ticketsPerClient) {
				t.Errorf("ticket %d: %v", i, ok)
			}
		}
		if len(k.out)+len(k.clients) != 0 {
			t.Errorf("%d tickets of %d clients are left", len(k.out), len(k.clients))
		}
	})
}
