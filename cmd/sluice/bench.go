package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"sync"
	"time"

	"sluice/channel/client"
	"sluice/cmd/internal/bench"
)

type benchCommand struct {
	URL         string        `placeholder:"URL" help:"The server to measure, or one channel of it. Without it one is started in a process of its own, with limits that are not in the way."`
	PID         *int          `name:"pid" placeholder:"PID" help:"With --url: the process of that server, if it runs on this machine: its memory and CPU are then measured."`
	CA          string        `name:"ca" placeholder:"FILE" help:"With --url: the certificates (PEM) to trust in place of the system's, for https and wss."`
	Destination string        `default:"bench" help:"The destination; it must allow subtopics. The server that is started has only \"bench\"."`
	Channel     string        `short:"k" enum:"websocket,streaming,longpoll" default:"websocket" help:"websocket, streaming or longpoll."`
	Consumers   int           `short:"c" default:"1000" help:"How many subscribe."`
	Publishers  int           `short:"p" default:"1" help:"How many publish."`
	Subtopics   int           `default:"1" help:"The subtopics over which both are spread."`
	Size        int           `default:"128" help:"Bytes of a message's body."`
	Rate        *float64      `placeholder:"N" help:"Messages per second, all publishers together. Without it: as fast as the deliveries allow."`
	Inflight    int           `name:"inflight" default:"32" help:"Without --rate: messages that may be under way."`
	Duration    time.Duration `short:"d" default:"10s" help:"How long to publish, or to churn."`
	Messages    *int          `short:"n" placeholder:"N" help:"Publish so many messages instead, however long it takes."`
	Idle        bool          `help:"Only connect and subscribe, and measure memory."`
	Churn       bool          `help:"Let clients come and go all the time, and compare memory before and after."`
	Soak        bool          `help:"Let clients of every kind come, go, freeze and lie, and look whether the server loses, leaks or fails to explain anything; see docs/soak.md. Of the other flags only --duration (10m is a full soak), --seed and --json count."`
	Chaos       bool          `help:"Throw clients from channel to channel under load, in every way there is, and look whether anything is lost, doubled or out of order; see docs/chaos.md. Of the other flags only --switches, --rate (1250), --seed and --json count."`
	Switches    *int          `placeholder:"N" help:"With --chaos: how often they go on by another channel, all together. Without it 10000, which takes about two minutes."`
	Seed        *uint64       `placeholder:"N" help:"With --soak or --chaos: who does what, in which order. Without it: by the clock."`
	JSON        bool          `name:"json" help:"Print one JSON object."`
}

// Validate is for the parser of the command line.
func (c *benchCommand) Validate() error {
	problems := []error{
		atLeast("--consumers", c.Consumers, 1), atLeast("--publishers", c.Publishers, 1), atLeast("--subtopics", c.Subtopics, 1),
		atLeast("--size", c.Size, bench.MinSize), atLeast("--inflight", c.Inflight, 1), atLeast("--duration", c.Duration, 1), checkFile(c.CA),
	}
	if c.Messages != nil {
		problems = append(problems, atLeast("--messages", *c.Messages, 1))
	}
	if c.Rate != nil {
		problems = append(problems, atLeast("--rate", *c.Rate, math.SmallestNonzeroFloat64))
	}
	switch {
	case c.URL != "":
		problems = append(problems, checkURL(c.URL))
	case c.PID != nil:
		problems = append(problems, errors.New("--pid needs --url: the server that is started is measured without it"))
	case c.CA != "":
		problems = append(problems, errors.New("--ca needs --url"))
	}
	if c.PID != nil {
		problems = append(problems, atLeast("--pid", *c.PID, 1))
	}
	if c.Idle && c.Churn {
		problems = append(problems, errors.New("--idle and --churn exclude each other"))
	}
	if c.Soak && (c.Idle || c.Churn || c.URL != "") {
		problems = append(problems, errors.New("--soak goes with none of --idle, --churn and --url: it starts a server of its own"))
	}
	if c.Chaos && (c.Idle || c.Churn || c.Soak || c.URL != "") {
		problems = append(problems, errors.New("--chaos goes with none of --idle, --churn, --soak and --url: it starts a server of its own"))
	}
	if c.Switches != nil {
		problems = append(problems, atLeast("--switches", *c.Switches, 1))
		if !c.Chaos {
			problems = append(problems, errors.New("--switches needs --chaos"))
		}
	}
	if c.Seed != nil && !c.Soak && !c.Chaos {
		problems = append(problems, errors.New("--seed needs --soak or --chaos"))
	}
	return errors.Join(problems...)
}

// Run measures and prints the report. It fails unless everything arrived once and in order.
func (c *benchCommand) Run(ctx context.Context, io std) (err error) {
	switch {
	case c.Soak:
		return c.soak(ctx, io)
	case c.Chaos:
		return c.chaos(ctx, io)
	}
	opts := bench.Options{
		URL: c.URL, Destination: c.Destination, Channel: client.Kind(c.Channel),
		Consumers: c.Consumers, Publishers: c.Publishers, Subtopics: c.Subtopics, Size: c.Size,
		Rate: or0(c.Rate), InFlight: c.Inflight, Messages: or0(c.Messages), Duration: c.Duration, Idle: c.Idle, Churn: c.Churn, PID: or0(c.PID),
	}
	if opts.TLS, err = trusting(c.CA); err != nil {
		return err
	}
	if terminal(io.err) {
		opts.Progress = io.err
	}
	if c.URL == "" {
		server, started := startServer(func(program string) (*bench.Server, error) { return bench.StartServer(ctx, program, io.err) })
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

// or0 is the value of a flag that may be absent.
func or0[T int | float64](p *T) T {
	if p == nil {
		return 0
	}
	return *p
}

// soak soaks a server and prints the report. It fails unless the server has passed; with errNoVerdict if that is for the machine to answer for.
func (c *benchCommand) soak(ctx context.Context, io std) error {
	log := &bench.ServerLog{To: io.err}
	server, err := startServer(func(program string) (*bench.Server, error) { return bench.StartSoakServer(ctx, program, log) })
	if err != nil {
		return err
	}
	stop := sync.OnceValue(server.Stop)
	opts := bench.SoakOptions{URL: server.URL, Internal: server.Internal, Duration: c.Duration, Seed: c.seed(), Stop: stop, Log: log}
	if terminal(io.err) {
		opts.Progress = io.err
	}
	report, err := bench.Soak(ctx, opts)
	if err != nil {
		return errors.Join(err, stop())
	}
	return c.verdict(io, report)
}

// chaos throws clients of a server about and prints the report. It fails as soak does.
func (c *benchCommand) chaos(ctx context.Context, io std) error {
	log := &bench.ServerLog{To: io.err}
	server, err := startServer(func(program string) (*bench.Server, error) { return bench.StartChaosServer(ctx, program, log) })
	if err != nil {
		return err
	}
	stop := sync.OnceValue(server.Stop)
	opts := bench.ChaosOptions{URL: server.URL, Internal: server.Internal, Switches: or0(c.Switches), Rate: int(or0(c.Rate)), Seed: c.seed(), Stop: stop, Log: log}
	if terminal(io.err) {
		opts.Progress = io.err
	}
	report, err := bench.Chaos(ctx, opts)
	if err != nil {
		return errors.Join(err, stop())
	}
	return c.verdict(io, report)
}

// seed is what decides who does what.
func (c *benchCommand) seed() uint64 {
	if c.Seed != nil {
		return *c.Seed
	}
	return uint64(time.Now().UnixNano())
}

// verdict prints a report, and turns what it says into the exit code.
func (c *benchCommand) verdict(out std, report interface {
	Write(w io.Writer) error
	Passed() bool
	NoVerdict() bool
}) error {
	write := func() error { return report.Write(out.out) }
	if c.JSON {
		write = func() error { return json.NewEncoder(out.out).Encode(report) }
	}
	err := write()
	switch {
	case err != nil:
		return err
	case report.NoVerdict():
		return errNoVerdict
	case !report.Passed():
		return errSilent
	}
	return nil
}

// startServer runs this program once more, as a server.
func startServer(start func(program string) (*bench.Server, error)) (*bench.Server, error) {
	if _, err := bench.RaiseFileLimit(); err != nil {
		return nil, fmt.Errorf("raise the limit of open files: %w", err)
	}
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return start(program)
}
