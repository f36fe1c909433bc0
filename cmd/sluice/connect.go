package main

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"sluice/channel/client"
)

// peer is the part of the command line that says where to connect, how, and as whom.
type peer struct {
	URL         string        `arg:"" help:"The server: http://localhost:8080. Or one channel of it: ws://localhost:8080/websocket; with --channel also http://localhost:8080/longpoll."`
	Destination string        `arg:"" name:"destination[/subtopic]" help:"The destination and, after a slash, the subtopic."`
	Channel     string        `short:"k" placeholder:"KIND" enum:"websocket,streaming,longpoll," default:"" help:"websocket, streaming or longpoll. Without it the channels of the server are tried in its order."`
	User        string        `short:"u" placeholder:"NAME" help:"Log in. The password is $$SLUICE_PASSWORD, or is asked for on the terminal."`
	CA          string        `name:"ca" placeholder:"FILE" help:"The certificates (PEM) to trust in place of the system's, for https and wss."`
	Timeout     time.Duration `default:"10s" help:"How long connecting may take."`
}

// Validate is for the parser of the command line.
func (p *peer) Validate() error {
	return errors.Join(checkURL(p.URL), checkFile(p.CA), atLeast("--timeout", p.Timeout, 1))
}

// checkURL says what is wrong with the URL of a server or channel.
func checkURL(raw string) error {
	scheme, _, _ := strings.Cut(strings.ToLower(raw), "://")
	switch u, err := url.Parse(raw); {
	case raw == "":
		return nil // the parser says that it is missing
	case scheme != "http" && scheme != "https" && scheme != "ws" && scheme != "wss":
		return fmt.Errorf("%q: expected http://, https://, ws:// or wss://", raw)
	case err != nil:
		return err
	case u.Host == "":
		return fmt.Errorf("%q names no host", raw)
	}
	return nil
}

// checkFile says why a file that was named cannot be read.
func checkFile(name string) error {
	if name == "" {
		return nil
	}
	info, err := os.Stat(name)
	if at := new(os.PathError); errors.As(err, &at) {
		return fmt.Errorf("%s: %w", name, at.Err)
	}
	if err == nil && info.IsDir() {
		return fmt.Errorf("%s is a directory", name)
	}
	return err
}

// atLeast refuses a number that is too small.
func atLeast[T int | float64 | time.Duration](name string, n, least T) error {
	if n >= least {
		return nil
	}
	if least == 0 {
		return fmt.Errorf("%s must not be negative", name)
	}
	if _, ok := any(n).(int); ok {
		return fmt.Errorf("%s must be at least %v", name, least)
	}
	return fmt.Errorf("%s must be more than 0", name)
}

// trusting returns what TLS needs to trust the certificates in that file, and nil for the system's.
func trusting(file string) (*tls.Config, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("--ca: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("--ca: %s holds no certificate in PEM", file)
	}
	return &tls.Config{RootCAs: pool}, nil
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
	var err error
	if opts.TLS, err = trusting(p.CA); err != nil {
		return nil, err
	}
	if p.User != "" {
		if opts.Password, err = readPassword(io); err != nil {
			return nil, err
		}
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
	return ask(io, "Password: ")
}

// ask asks for a password on the terminal that io.in is, which does not show it.
func ask(io std, prompt string) (string, error) {
	fmt.Fprint(io.err, prompt)
	password, err := term.ReadPassword(int(io.in.(*os.File).Fd()))
	fmt.Fprintln(io.err)
	return string(password), err
}

// leave disconnects in order, for which a server that is there needs no time. It returns err, what went wrong before, where there is such: a set that has ended would say the same again.
func leave(set *client.ChannelSet, err error) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return cmp.Or(err, set.Disconnect(ctx))
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
