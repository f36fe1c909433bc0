package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"sluice/channel/client"
)

// peer is the part of the command line that says where to connect, how, and as whom.
type peer struct {
	URL         string        `arg:"" help:"The server: http://localhost:8080."`
	Destination string        `arg:"" name:"destination[/subtopic]" help:"The destination and, after a slash, the subtopic."`
	Channel     string        `short:"k" placeholder:"KIND" enum:"websocket,streaming,longpoll," default:"" help:"websocket, streaming or longpoll. Without it all are tried in this order."`
	User        string        `short:"u" placeholder:"NAME" help:"Log in. The password is $SLUICE_PASSWORD, or is asked for on the terminal."`
	Timeout     time.Duration `default:"10s" help:"How long connecting may take."`
}

// place splits the destination from its subtopic.
func (p *peer) place() (destination, subtopic string) {
	destination, subtopic, _ = strings.Cut(p.Destination, "/")
	return destination, subtopic
}

// connect returns a set that is connected. Losses are told on standard error.
func (p *peer) connect(ctx context.Context, io std, attempts int) (*client.ChannelSet, error) {
	opts := client.Options{URL: p.URL, User: p.User, MaxAttempts: attempts, OnEvent: func(e client.Event) {
		switch e.Kind {
		case client.Unreachable, client.Disconnected:
			fmt.Fprintf(io.err, "sluice: %v; trying again in %v\n", e.Err, e.Delay.Round(100*time.Millisecond))
		}
	}}
	if p.Channel != "" {
		opts.Channels = []client.Channel{{Kind: client.Kind(p.Channel)}}
	}
	if p.User != "" {
		password, err := readPassword(io)
		if err != nil {
			return nil, err
		}
		opts.Password = password
	}
	set, err := client.New(opts)
	if err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeoutCause(ctx, p.Timeout, fmt.Errorf("no connection within %v", p.Timeout))
	defer cancel()
	if err := set.Connect(limited); err != nil {
		set.Close()
		return nil, err
	}
	return set, nil
}

// readPassword takes the password from the environment, or asks for it where there is a terminal.
func readPassword(io std) (string, error) {
	if password, ok := os.LookupEnv("SLUICE_PASSWORD"); ok {
		return password, nil
	}
	if !terminal(io.in) {
		return "", errors.New("--user needs a password: set SLUICE_PASSWORD, or use a terminal")
	}
	fmt.Fprint(io.err, "Password: ")
	password, err := term.ReadPassword(int(io.in.(*os.File).Fd()))
	fmt.Fprintln(io.err)
	return string(password), err
}

// leave disconnects in order, for which a server that is there needs no time.
func leave(set *client.ChannelSet) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return set.Disconnect(ctx)
}

// maxInputLine bounds a message read from standard input, in bytes.
const maxInputLine = 16 << 20

// readLines calls each with every line of r that is not empty.
func readLines(r io.Reader, each func(string) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxInputLine)
	for lines.Scan() {
		if line := strings.TrimSpace(lines.Text()); line != "" {
			if err := each(line); err != nil {
				return err
			}
		}
	}
	return lines.Err()
}
