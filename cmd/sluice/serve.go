package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"sluice/channel"
	"sluice/cmd/internal/config"
	"sluice/endpoint/server"
)

type serveCommand struct {
	Config   string `short:"c" placeholder:"FILE" help:"services-config.xml. Without one, the built-in configuration is served: anybody may connect, but from this machine only, unless --listen says otherwise."`
	Listen   string `short:"l" placeholder:"ADDR" help:"Replaces the address of the first public server. \":8080\" is every interface, so that other machines can connect; port 0 is any free one."`
	Internal string `placeholder:"ADDR" help:"Replaces the address of the internal server (health, metrics)."`
}

// Validate is for the parser of the command line.
func (c *serveCommand) Validate() error {
	return errors.Join(checkFile(c.Config), checkAddress("--listen", c.Listen), checkAddress("--internal", c.Internal))
}

// checkAddress says what is wrong with an address to listen on.
func checkAddress(flag, addr string) error {
	if addr == "" {
		return nil
	}
	if _, port, err := net.SplitHostPort(addr); err == nil {
		if _, err := strconv.ParseUint(port, 10, 16); err == nil {
			return nil
		}
	}
	return fmt.Errorf("%s: %q: expected HOST:PORT or :PORT", flag, addr)
}

// Run serves until ctx ends, and then ends the server in order.
func (c *serveCommand) Run(ctx context.Context, io std) error {
	p, err := c.load(io)
	if err != nil {
		return err
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	return (&service{io: io, path: c.Config, adjust: c.replaceAddresses, hangups: hangups}).run(ctx, p)
}

// gcPercent is the garbage collector's, unless GOGC is set: a server's memory is its idle sessions, and a fan-out makes hardly any garbage, so room for garbage as large as
// everything that lives would be wasted ("sluice bench --idle" shows it).
const gcPercent = 50

// service is a server, and the configuration it goes by.
type service struct {
	io      std
	path    string                        // of services-config.xml; empty: there is no file to be read again
	adjust  func([]server.Listener) error // changes the listeners before they are opened
	hangups <-chan os.Signal              // one more: the file is to be read again

	log    *logs
	server *server.Server

	mu  sync.Mutex     // held while the configuration is reloaded; guards the following
	cfg *config.Config // as it holds
}

// run serves what p says until ctx ends, and then ends the server in order.
func (v *service) run(ctx context.Context, p *plan) (err error) {
	v.cfg, v.log = p.cfg, newLogs(p.cfg.Logging, v.io.err)
	opts := p.opts
	if err := v.adjust(opts.Listeners); err != nil {
		return err
	}
	opts.Log, opts.Logger, opts.Version = v.log.category, v.log.category("Startup"), version()
	if v.path != "" {
		opts.Reload = v.reload
	}
	if opts.Sessions, err = p.openStore(v.log.category("Endpoint.FlexSession")); err != nil {
		return err
	}
	if opts.Sessions != nil {
		defer opts.Sessions.Close() // whatever was acknowledged is on disk
	}
	if v.server, err = server.New(opts); err != nil {
		return p.refuse("", err)
	}
	if err := v.server.Start(); err != nil {
		return err
	}
	announce(v.io, opts, v.server.Addrs())
	v.await(ctx)

	limit, cancel := context.WithTimeout(context.Background(), v.shutdownTimeout())
	defer cancel()
	go func() {
		select {
		case <-v.io.atOnce:
			cancel()
		case <-limit.Done():
		}
	}()
	if err := v.server.Shutdown(limit); err != nil {
		return fmt.Errorf("the shutdown was not orderly: %w", err)
	}
	return nil
}

// await returns when ctx ends. Until then it reloads the configuration as often as it is asked to by a signal.
func (v *service) await(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-v.hangups:
			v.hangup()
		}
	}
}

// load reads the configuration. What is worth knowing of it goes to standard error, one line each.
func (c *serveCommand) load(io std) (*plan, error) {
	p := read(c.Config)
	if err := p.err(); err != nil {
		return nil, fmt.Errorf("%w\n%q tells more", err, "sluice check "+c.Config)
	}
	if who := reach(c.Listen); c.Config == "" && who != "" {
		p.report.Warn(p.file, fmt.Sprintf("it asks nobody to log in, and --listen %s opens it to %s", c.Listen, who))
	}
	for _, w := range p.warnings() {
		fmt.Fprintf(io.err, "sluice: warning: %s\n", w.Error())
	}
	return p, nil
}

// reach says who else can reach an address to listen on; empty: only this machine.
func reach(addr string) string {
	host, _, err := net.SplitHostPort(addr)
	switch ip := net.ParseIP(host); {
	case err != nil, host == "localhost", ip != nil && ip.IsLoopback():
		return ""
	case host == "", ip != nil && ip.IsUnspecified():
		return "every interface"
	}
	return "other machines"
}

// replaceAddresses puts the addresses of the command line in place of the configured ones.
func (c *serveCommand) replaceAddresses(listeners []server.Listener) error {
	internal := c.Internal
	if internal == "" && c.Listen != "" && c.Config == "" {
		internal = "127.0.0.1:0" // so that two servers can be tried on one machine
	}
	for _, replace := range []struct {
		flag, addr string
		role       server.Role
	}{{"--listen", c.Listen, server.Public}, {"--internal", internal, server.Internal}} {
		if replace.addr == "" {
			continue
		}
		i := slices.IndexFunc(listeners, func(l server.Listener) bool { return l.Role == replace.role })
		if i < 0 {
			return fmt.Errorf("%s: the configuration has no %s server", replace.flag, replace.role)
		}
		listeners[i].Addr = replace.addr
	}
	return nil
}

// shutdownTimeout is the longest one of all servers: they end together.
func (v *service) shutdownTimeout() time.Duration {
	v.mu.Lock()
	defer v.mu.Unlock()
	longest := time.Duration(0)
	for _, s := range v.cfg.Servers {
		longest = max(longest, s.ShutdownTimeout)
	}
	return longest
}

// announce prints where the page is, and where everything else.
func announce(io std, opts server.Options, addrs map[string]string) {
	page, rest := "", []string(nil)
	for _, l := range opts.Listeners {
		base := baseURL(l, addrs[l.ID])
		switch l.Role {
		case server.Internal:
			rest = append(rest, "internal "+base+"/metrics")
		case server.API:
			rest = append(rest, "api "+base+"/api/v1")
		default:
			if page == "" {
				page = base + "/"
			}
			for _, c := range opts.Channels {
				if c.Server != "" && c.Server != l.ID {
					continue
				}
				if c.Kind == channel.WebSocket {
					rest = append(rest, c.ID+" ws"+strings.TrimPrefix(base, "http")+c.Path)
				} else {
					rest = append(rest, c.ID+" "+base+c.Path)
				}
			}
		}
	}
	fmt.Fprintf(io.out, "Sluice is ready: %s\nEndpoints: %s\n", page, strings.Join(rest, ", "))
}

// baseURL is how the listener is reached from this machine.
func baseURL(l server.Listener, addr string) string {
	scheme := "http://"
	if l.CertificateFile != "" {
		scheme = "https://"
	}
	host, port, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); err == nil && ip != nil && ip.IsUnspecified() {
		addr = net.JoinHostPort("localhost", port)
	}
	return scheme + addr
}
