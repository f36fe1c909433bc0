package endpoint

import (
	"net/http"
	"strconv"
	"time"

	"sluice/channel"
	"sluice/channel/message"
)

// past is where a subscription asks to begin: behind a position, with the last messages, or with those since a time. At most one of them may be asked for.
type past struct {
	position string
	last     uint64
	hasLast  bool
	since    int64 // milliseconds since 1970; 0: the earliest
	hasSince bool
}

// asked says whether there is any of them.
func (p past) asked() bool { return p.position != "" || p.hasLast || p.hasSince }

// cursor is where that is.
func (p past) cursor() (channel.Cursor, *message.Error) {
	n := 0
	for _, asked := range []bool{p.position != "", p.hasLast, p.hasSince} {
		if asked {
			n++
		}
	}
	switch {
	case n > 1:
		return channel.Cursor{}, message.Errorf(message.CodeBadField, "position, last and since: expected one of them")
	case p.position != "":
		return channel.Cursor{From: channel.FromPosition, Position: channel.Position(p.position)}, nil
	case p.hasLast:
		return channel.Cursor{From: channel.FromLast, Last: p.last}, nil
	case p.since < 0:
		return channel.Cursor{}, message.Errorf(message.CodeBadField, "since: expected milliseconds since 1970, or 0")
	case p.since > 0:
		return channel.Cursor{From: channel.FromTime, Time: time.UnixMilli(p.since)}, nil
	case p.hasSince:
		return channel.Cursor{From: channel.FromEarliest}, nil
	}
	return channel.Cursor{}, nil
}

// pastOf is what a subscribe asks for.
func pastOf(req *message.Request) past {
	h := &req.Headers
	return past{req.Position, h.Last, h.HasLast, h.Since, h.HasSince}
}

// Begin is where a plain GET asks to begin: ?position=, ?last= or ?since=. An EventSource that comes again says in Last-Event-ID where it was (HTML Living Standard, section 9.2.4), and with it goes on
// there, whatever its URL says.
func Begin(r *http.Request) (channel.Cursor, *message.Error) {
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		return past{position: id}.cursor()
	}
	query := r.URL.Query()
	p := past{position: query.Get("position"), hasLast: query.Has("last"), hasSince: query.Has("since")}
	var err error
	if p.hasLast {
		if p.last, err = strconv.ParseUint(query.Get("last"), 10, 64); err != nil {
			return channel.Cursor{}, message.Errorf(message.CodeBadField, "last: expected a number")
		}
	}
	if p.hasSince {
		if p.since, err = strconv.ParseInt(query.Get("since"), 10, 64); err != nil || p.since > time.Unix(1<<40, 0).UnixMilli() {
			return channel.Cursor{}, message.Errorf(message.CodeBadField, "since: expected milliseconds since 1970, or 0")
		}
	}
	return p.cursor()
}
