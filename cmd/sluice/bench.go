package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"sluice/channel/client"
	"sluice/cmd/internal/bench"
)

type benchCommand struct {
	URL         string        `placeholder:"URL" help:"The server to measure. Without it one is started in a process of its own, with limits that are not in the way."`
	PID         int           `name:"pid" placeholder:"PID" help:"The process of that server, if it runs on this machine: its memory and CPU are then measured."`
	Destination string        `placeholder:"NAME" default:"bench" help:"The destination; it must allow subtopics."`
	Channel     string        `short:"k" enum:"websocket,streaming,longpoll" default:"websocket" help:"websocket, streaming or longpoll."`
	Consumers   int           `short:"c" default:"1000" help:"How many subscribe."`
	Publishers  int           `short:"p" default:"1" help:"How many publish."`
	Subtopics   int           `default:"1" help:"The subtopics over which both are spread."`
	Size        int           `default:"128" help:"Bytes of a message's body."`
	Rate        float64       `placeholder:"N" help:"Messages per second, all publishers together. Without it: as fast as the deliveries allow."`
	Inflight    int           `name:"inflight" default:"32" help:"Without --rate: messages that may be under way."`
	Duration    time.Duration `short:"d" default:"10s" help:"How long to publish, or to churn."`
	Messages    int           `short:"n" placeholder:"N" help:"Publish so many messages instead, however long it takes."`
	Idle        bool          `help:"Only connect and subscribe, and measure memory."`
	Churn       bool          `help:"Let clients come and go all the time, and compare memory before and after."`
	JSON        bool          `name:"json" help:"Print one JSON object."`
}

// Run measures and prints the report. It fails unless everything arrived once and in order.
func (c *benchCommand) Run(ctx context.Context, io std) (err error) {
	opts := bench.Options{
		URL: c.URL, PID: c.PID, Destination: c.Destination, Channel: client.Kind(c.Channel),
		Consumers: c.Consumers, Publishers: c.Publishers, Subtopics: c.Subtopics, Size: c.Size,
		Rate: c.Rate, InFlight: c.Inflight, Messages: c.Messages, Duration: c.Duration, Idle: c.Idle, Churn: c.Churn,
	}
	if terminal(io.err) {
		opts.Progress = io.err
	}
	if c.URL == "" {
		server, started := startServer(ctx, io)
		if started != nil {
			return started
		}
		defer func() { err = errors.Join(err, server.Stop()) }()
		opts.URL, opts.PID = server.URL, server.PID
	}
	report, err := bench.Run(ctx, opts)
	if err != nil {
		return err
	}
	if c.JSON {
		err = json.NewEncoder(io.out).Encode(report)
	} else {
		err = report.Write(io.out)
	}
	if err == nil && !report.Faultless() {
		err = errSilent
	}
	return err
}

// startServer runs this program once more, as a server.
func startServer(ctx context.Context, io std) (*bench.Server, error) {
	if _, err := bench.RaiseFileLimit(); err != nil {
		return nil, fmt.Errorf("raise the limit of open files: %w", err)
	}
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return bench.StartServer(ctx, program, io.err)
}
