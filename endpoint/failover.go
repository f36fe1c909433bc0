package endpoint

import (
	"encoding/json"
	"errors"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"sluice/channel/message"
	"sluice/flexsession"
)

// The bounds of a report of failover: of how many channels it is read, how long their ids and details are kept, in bytes, and how long the whole may be to be read at all.
const (
	maxTried       = 16
	maxTriedName   = 64
	maxTriedDetail = 200
	maxTriedBody   = 32 << 10
)

// tried takes the report that a client_ping of a connected client may have in its body: which channels it tried before this one. The client is served whatever the report is worth: a bad one is counted, and
// otherwise ignored, and so is one that nobody asked for.
func (x *Exchange) tried(req *message.Request) {
	if len(req.Body) == 0 || x.Client == nil {
		return
	}
	user := x.user()
	wanted := x.Core.Diagnose.Wants(user, x.Peer.RemoteAddr)
	if !wanted && (user != "" || !x.Core.Diagnose.mayWant()) {
		return
	}
	tried, err := parseTried(req.Body)
	if err != nil {
		x.Core.Stats.badReport()
		return
	}
	f := flexsession.Failover{At: time.Now(), Endpoint: x.Def.ID, Tried: tried}
	if len(tried) > 0 && x.Client.ReportFailover(f, !wanted) && wanted {
		x.Core.Stats.failedOver(x.Client, x.Peer, f)
	}
}

// identified looks again at reports that wait for the login of somebody whose reports are wanted.
func (x *Exchange) identified() {
	wanted := x.Core.Diagnose.Wants(x.user(), x.Peer.RemoteAddr)
	for _, f := range x.Client.ShowFailovers(wanted) {
		x.Core.Stats.failedOver(x.Client, x.Peer, f)
	}
}

// user is the name of the client's user; "" where nobody has logged in.
func (x *Exchange) user() string {
	if p := x.Client.Principal(); p != nil {
		return p.Name
	}
	return ""
}

var errTried = errors.New("endpoint: this is no report of failover")

// parseTried reads {"tried":[{"channelId":…,"millis":…,"code":…,"detail":…},…]}. Fields that it does not know are ignored, as everywhere; channelId and millis must be there.
func parseTried(body []byte) ([]flexsession.Try, error) {
	if len(body) > maxTriedBody {
		return nil, errTried
	}
	var report struct {
		Tried []struct {
			ChannelID *string  `json:"channelId"`
			Millis    *float64 `json:"millis"`
			Code      int      `json:"code"`
			Detail    string   `json:"detail"`
		} `json:"tried"`
	}
	if err := json.Unmarshal(body, &report); err != nil {
		return nil, err
	}
	if report.Tried == nil {
		return nil, errTried
	}
	tried := make([]flexsession.Try, 0, min(len(report.Tried), maxTried))
	for _, t := range report.Tried[:cap(tried)] {
		if t.ChannelID == nil || *t.ChannelID == "" || t.Millis == nil || !(*t.Millis >= 0 && *t.Millis <= maxTriedMillis) || t.Code < 0 || t.Code > 9999 {
			return nil, errTried
		}
		tried = append(tried, flexsession.Try{
			Channel: printable(*t.ChannelID, maxTriedName),
			Took:    time.Duration(*t.Millis * float64(time.Millisecond)).Round(time.Millisecond),
			Code:    message.Code(t.Code),
			Detail:  printable(t.Detail, maxTriedDetail),
		})
	}
	return tried, nil
}

// maxTriedMillis bounds how long a try may have taken: a hundred days.
const maxTriedMillis = 100 * 24 * 3600 * 1000

// printable is text of a peer as it may stand in logs: at most so many bytes, and what cannot be seen, or turns what follows it around, is U+FFFD.
func printable(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return utf8.RuneError
	}, text)
	for len(text) > most {
		_, size := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-size]
	}
	return text
}
