package server

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"sluice/channel"
	"sluice/channel/memengine"
	"sluice/endpoint"
	"sluice/flexsession"
	"sluice/heartbeat"
)

// Server is a running Sluice.
type Server struct {
	now      atomic.Pointer[serving] // a reload replaces it
	broker   *channel.MessageBroker
	registry *flexsession.Registry
	wheel    *heartbeat.Wheel
	shared   endpoint.Core // what lasts of the Cores of all listeners, however often the configuration is reloaded
	metrics  *metrics
	reserve  reserve    // of descriptors
	recent   *recentIDs // what the API published, on whichever listener
	alive    heartbeat.Timer
	started  time.Time

	listeners []*listener
	run       context.Context // the engine and the wheel live as long
	stop      context.CancelFunc
	running   sync.WaitGroup
	closing   chan struct{} // closed when Shutdown begins
	once      sync.Once
	reloading sync.Mutex // held by Reload
}

// New makes a server. All mistakes in the options are reported together.
func New(opts Options) (*Server, error) {
	opts.defaults()
	if opts.Engine == nil {
		opts.Engine = memengine.New(memengine.Options{})
	}
	wheel := heartbeat.New(heartbeat.Options{})
	broker, err := channel.NewMessageBroker(channel.Options{
		Destinations: opts.Destinations, Constraints: opts.Constraints, Engine: opts.Engine, Wheel: wheel, Logger: opts.Log("Service.Message"),
	})
	if err != nil {
		return nil, err
	}
	s := &Server{broker: broker, wheel: wheel, recent: newRecentIDs(opts.RememberIDs), started: time.Now(), closing: make(chan struct{})}
	s.metrics = newMetrics(s)

	s.shared = endpoint.Core{
		Broker:   broker,
		Wheel:    s.wheel,
		Cookies:  endpoint.NewCookies(opts.Sessions, opts.Log("Endpoint.FlexSession")),
		Tickets:  endpoint.NewTickets(opts.MaxTickets),
		Diagnose: new(endpoint.Diagnostics),
		Logger:   opts.Log("Endpoint.General"),
		Stats:    s.metrics.stats(),
		Open:     endpoint.NewTracker(),
	}
	s.shared.LoggedIn = s.loggedIn
	s.shared.Diagnose.SetDefault(opts.Failover != "none")
	s.shared.Stats.FailedOver = s.onFailover(opts.Log("Client.Failover"))
	registry := opts.FlexClient
	registry.Wheel = s.wheel
	registry.Store = s.shared.Cookies
	lives := newLives(opts.Log, s.shared.Diagnose)
	lives.hear(s.shared.Stats)
	registry.Listeners = append(registry.Listeners, s.metrics.listener(), lives.listener())
	registry.Latency = s.metrics.latency
	s.registry = flexsession.NewRegistry(registry)
	s.shared.Registry = s.registry
	s.now.Store(newServing(opts, s.shared, nil))
	if err := s.restore(); err != nil {
		return nil, err
	}

	if err := s.bind(); err != nil {
		return nil, err
	}
	return s, nil
}

// bind prepares a listener for each of the options.
func (s *Server) bind() error {
	var problems []error
	for _, l := range s.opts().Listeners {
		bound, err := s.newListener(l)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		s.listeners = append(s.listeners, bound)
	}
	return errors.Join(problems...)
}

// opts are the options as they hold now. They must not be changed.
func (s *Server) opts() *Options { return &s.now.Load().opts }

// Start opens the listeners and begins to serve. After an error nothing is open.
func (s *Server) Start() error {
	for _, l := range s.listeners {
		if err := l.open(); err != nil {
			for _, l := range s.listeners {
				l.stopAccepting()
			}
			return err
		}
	}
	s.reserve.open(s.opts().Log("Endpoint.HTTP"))
	if err := s.CheckDescriptors(); err != nil {
		log := s.opts().Log("Startup")
		log.Warn().Msg(err.Error())
	}
	s.Run()
	for _, l := range s.listeners {
		s.running.Go(l.serve)
	}
	return nil
}

// Run starts the engine and the wheel alone, for those who serve the handlers of a server themselves. Start calls it.
func (s *Server) Run() {
	s.run, s.stop = context.WithCancel(context.Background())
	s.running.Go(func() { s.wheel.Run(s.run) })
	s.stayAlive()
	s.running.Go(func() {
		if err := s.broker.Run(s.run); err != nil && s.run.Err() == nil {
			log := s.opts().Log("Service.Message")
			log.Error().Err(err).Msg("the engine has stopped")
		}
	})
}

// Handler is what the listener of that id serves; nil when there is none.
func (s *Server) Handler(id string) http.Handler {
	for _, l := range s.listeners {
		if l.ID == id {
			return l.handler
		}
	}
	return nil
}

// Addr is the address the listener of that id is open on; nil before Start, or when there is none.
func (s *Server) Addr(id string) net.Addr {
	for _, l := range s.listeners {
		if l.ID == id && l.net != nil {
			return l.net.Addr()
		}
	}
	return nil
}

// Addrs are the addresses of all open listeners, by id.
func (s *Server) Addrs() map[string]string {
	addrs := make(map[string]string, len(s.listeners))
	for _, l := range s.listeners {
		if l.net != nil {
			addrs[l.ID] = l.net.Addr().String()
		}
	}
	return addrs
}

// Broker is the server's message broker, for programs that publish from inside.
func (s *Server) Broker() *channel.MessageBroker { return s.broker }

// Registry is the table of the server's sessions and clients.
func (s *Server) Registry() *flexsession.Registry { return s.registry }

// ready says whether the server takes new clients.
func (s *Server) ready() bool {
	select {
	case <-s.closing:
		return false
	default:
		return s.run != nil
	}
}
