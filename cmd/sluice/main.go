package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/rs/zerolog"
)

// lastWord is how long a command may take to end after a second signal. A server tells who can be told without waiting, in less.
const lastWord = time.Second

func main() {
	zerolog.TimeFieldFormat = "2006-01-02T15:04:05.000Z07:00" // of all JSON lines
	ctx, cancel := context.WithCancel(context.Background())
	atOnce := make(chan struct{})
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		cancel()
		fmt.Fprintf(os.Stderr, "sluice: a second signal (%v): stopped at once, not in order\n", <-signals)
		close(atOnce)
		time.Sleep(lastWord)
		os.Exit(1)
	}()
	code := run(ctx, os.Args[1:], std{in: os.Stdin, out: os.Stdout, err: os.Stderr, atOnce: atOnce})
	select {
	case <-atOnce:
		code = 1
	default:
	}
	os.Exit(code)
}
