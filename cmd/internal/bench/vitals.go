package bench

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"sluice/channel/message"
)

// vitals are what the server says of itself on its internal listener.
type vitals struct {
	Heap        float64 // bytes that live after a collection
	Goroutines  int
	Descriptors int // -1 where the system does not say

	// What is there because of clients. All of it is 0 when they are gone and their windows are over.
	Connections, Sessions, Clients, Subscriptions, Records int
	Timers                                                 int // armed; connections, clients and records hold them

	ends     map[endKey]int
	books    map[string]map[string]int // sluice_messages_total and sluice_waiting_messages by destination: what became of messages
	internal int                       // refusals for want of a better word: faults of the server
}

// endKey is one row of sluice_ends_total.
type endKey struct {
	What, Code, Name string
}

// living is how many things there are because of clients.
func (v *vitals) living() int {
	return v.Connections + v.Sessions + v.Clients + v.Subscriptions + v.Records
}

// leaked says what there is more than before, and what is left of clients.
func (v *vitals) leaked(before *vitals) (all []string) {
	if v.living() != 0 {
		all = append(all, fmt.Sprintf("after everyone has gone there are left: %v", v))
	}
	if v.Goroutines > before.Goroutines || v.Descriptors > before.Descriptors || v.Timers > before.Timers {
		all = append(all, fmt.Sprintf("leaked: before there were %d goroutines, %d descriptors and %d timers, afterwards %d, %d and %d",
			before.Goroutines, before.Descriptors, before.Timers, v.Goroutines, v.Descriptors, v.Timers))
	}
	for destination, book := range v.books {
		others := 0
		for what, n := range book {
			if what != "accepted" {
				others += n
			}
		}
		if book["waiting"] != 0 || book["accepted"] != others {
			all = append(all, fmt.Sprintf("after everyone has gone the books of %s do not balance: %v", destination, book))
		}
	}
	return all
}

func (v *vitals) String() string {
	return fmt.Sprintf("%d connections, %d sessions, %d clients, %d subscriptions, %d records, %d timers, %d goroutines, %d descriptors",
		v.Connections, v.Sessions, v.Clients, v.Subscriptions, v.Records, v.Timers, v.Goroutines, v.Descriptors)
}

// look reads the vitals. collect has the server collect its garbage before.
func (w *world) look(ctx context.Context, collect bool) (*vitals, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	address := w.internal + "/metrics"
	if collect {
		address += "?gc"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	req.Close = true // a connection that is kept would be one more that the server has
	resp, err := w.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("the server's metrics: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the server's metrics: HTTP status %s", resp.Status)
	}
	return readVitals(resp.Body)
}

// readVitals reads the text format of Prometheus.
func readVitals(r io.Reader) (*vitals, error) {
	v := &vitals{Descriptors: -1, ends: make(map[endKey]int), books: make(map[string]map[string]int)}
	lines := bufio.NewScanner(r)
	found := 0
	for lines.Scan() {
		name, labels, value, ok := sample(lines.Text())
		if !ok {
			continue
		}
		n := int(value)
		switch name {
		case "go_memstats_heap_alloc_bytes":
			v.Heap = value
		case "go_goroutines":
			v.Goroutines = n
		case "process_open_fds":
			v.Descriptors = n
			continue // not everywhere
		case "sluice_clients":
			v.Clients = n
		case "sluice_subscriptions":
			v.Subscriptions = n
		case "sluice_records":
			v.Records = n
		case "sluice_timers":
			v.Timers = n
		case "sluice_connections":
			v.Connections += n
			continue // one for each endpoint that was used
		case "sluice_sessions":
			v.Sessions += n
			continue
		case "sluice_ends_total":
			v.ends[endKey{labels["what"], labels["code"], labels["name"]}] = n
			continue
		case "sluice_messages_total", "sluice_waiting_messages":
			book := v.books[labels["destination"]]
			if book == nil {
				book = make(map[string]int)
				v.books[labels["destination"]] = book
			}
			book[cmp.Or(labels["what"], "waiting")] = n
			continue
		case "sluice_refusals_total":
			if labels["code"] == strconv.Itoa(int(message.CodeInternal)) {
				v.internal = n
			}
			continue
		default:
			continue
		}
		found++
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if found != 6 {
		return nil, fmt.Errorf("the server's metrics have %d of the 6 that are needed", found)
	}
	return v, nil
}

// sample reads a line such as name{label="value"} 12.
func sample(line string) (name string, labels map[string]string, value float64, ok bool) {
	at := strings.LastIndexByte(line, ' ')
	if at < 0 || line[0] == '#' {
		return "", nil, 0, false
	}
	value, err := strconv.ParseFloat(line[at+1:], 64)
	name, rest, _ := strings.Cut(line[:at], "{")
	for pair := range strings.SplitSeq(strings.TrimSuffix(rest, "}"), ",") { // no value of ours holds a comma
		if key, text, ok := strings.Cut(pair, "="); ok {
			if labels == nil {
				labels = make(map[string]string)
			}
			labels[key] = strings.Trim(text, `"`)
		}
	}
	return name, labels, value, err == nil
}

// unexplained are the ends whose code is not in the table, or is not called there as here.
func (v *vitals) unexplained() (all []string) {
	for e, n := range v.ends {
		code, err := strconv.Atoi(e.Code)
		if info := message.Code(code).Info(); err != nil || int(info.Code) != code || info.Name != e.Name || info.Client || info.Code == message.CodeInternal {
			all = append(all, fmt.Sprintf("%d times a %s ended with %q %q", n, e.What, e.Code, e.Name))
		}
	}
	slices.Sort(all)
	return all
}

// ended is how many of what have ended, by any code.
func (v *vitals) ended(what string) (n int) {
	for e, count := range v.ends {
		if e.What == what {
			n += count
		}
	}
	return n
}

// settle looks until the vitals please, and returns the last ones; ok is false when they do not within limit.
func (w *world) settle(ctx context.Context, limit time.Duration, pleased func(*vitals) bool) (v *vitals, ok bool, err error) {
	for until := time.Now().Add(limit); ; {
		if v, err = w.look(ctx, false); err != nil {
			return nil, false, err
		}
		if pleased(v) {
			return v, true, nil
		}
		if !time.Now().Before(until) || !sleepUntil(ctx, time.Now().Add(100*time.Millisecond)) {
			return v, false, ctx.Err()
		}
	}
}

// stable is what the server says when it has come to rest: the same several times.
func (w *world) stable(ctx context.Context, limit time.Duration) (*vitals, error) {
	last, same := "", 0
	v, ok, err := w.settle(ctx, limit, func(v *vitals) bool {
		now := v.String()
		if same++; now != last {
			last, same = now, 0
		}
		return same >= 5 && v.living() == 0
	})
	if err == nil && !ok {
		err = fmt.Errorf("the server does not come to rest: %v", v)
	}
	return v, err
}

// heap is the median of several looks, spread over a few seconds, after a collection each.
func (w *world) heap(ctx context.Context) (float64, error) {
	var sizes []float64
	for range 9 {
		w.http.CloseIdleConnections() // the server has buffers for each
		if !sleepUntil(ctx, time.Now().Add(400*time.Millisecond)) {
			return math.NaN(), ctx.Err()
		}
		v, err := w.look(ctx, true)
		if err != nil {
			return math.NaN(), err
		}
		sizes = append(sizes, v.Heap)
	}
	slices.Sort(sizes)
	return sizes[len(sizes)/2], nil
}
