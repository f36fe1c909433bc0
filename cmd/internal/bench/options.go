package bench

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"time"

	"sluice/channel/client"
)

// Destination is what the server must have, with subtopics allowed.
const Destination = "bench"

// Options says what load to make. URL is needed; Run fills in the defaults that are named.
type Options struct {
	URL         string      // the server, or the one channel to measure: client.Options.URL
	PID         int         // its process, for memory and CPU; 0: they are not measured
	Destination string      // empty: Destination
	Channel     client.Kind // what consumers and publishers use; empty: WebSocket
	TLS         *tls.Config // for https and wss; nil: the defaults of crypto/tls

	Consumers  int // 0: 100
	Publishers int // 0: 1
	Subtopics  int // consumers are spread over so many subtopics, and so is what is published; 0: 1
	Size       int // bytes of a message's body, at least 64; 0: 128

	Rate     float64       // messages published per second, by all publishers together; 0: as fast as deliveries allow
	InFlight int           // without a rate, messages that may be under way; 0: 32
	Messages int           // messages published in all; 0: as many as fit into Duration
	Duration time.Duration // 0: 10s

	Idle  bool // connect and subscribe, measure memory, publish nothing
	Churn bool // for Duration consumers connect, subscribe and leave, again and again, Consumers at a time; memory before and after

	Connecting int           // connects under way at a time; 0: 64
	Patience   time.Duration // how long nothing may arrive before what is missing counts as lost; 0: 10s
	Progress   io.Writer     // a terminal, for the progress bar; nil: none
}

func (o *Options) defaults() error {
	def := func(p *int, v int) {
		if *p == 0 {
			*p = v
		}
	}
	if o.Destination == "" {
		o.Destination = Destination
	}
	if o.Channel == "" {
		o.Channel = client.WebSocket
	}
	def(&o.Consumers, 100)
	def(&o.Publishers, 1)
	def(&o.Subtopics, 1)
	def(&o.Size, 128)
	def(&o.InFlight, 32)
	def(&o.Connecting, 64)
	if o.Duration == 0 {
		o.Duration = 10 * time.Second
	}
	if o.Patience == 0 {
		o.Patience = 10 * time.Second
	}
	switch {
	case o.Consumers < 0 || o.Publishers < 0 || o.Subtopics < 0 || o.InFlight < 0 || o.Messages < 0 || o.Connecting < 0 || o.Rate < 0:
		return errors.New("bench: a number is negative")
	case o.Size < MinSize || o.Size > 1<<20:
		return fmt.Errorf("bench: the size is %d bytes; it must be from %d to %d", o.Size, MinSize, 1<<20)
	case o.Publishers > 1000:
		return errors.New("bench: more than 1000 publishers")
	case o.Idle && o.Churn:
		return errors.New("bench: idle and churn exclude each other")
	}
	return nil
}

// subtopic is the name of the i-th one.
func subtopic(i int) string { return fmt.Sprintf("t%d", i) }
