package server

import "github.com/go-chi/chi/v5"

// Routes are what the listener of that id serves, for tests that hold documents to them.
func (s *Server) Routes(id string) chi.Routes {
	for _, l := range s.listeners {
		if l.ID == id {
			return l.now().routes.(chi.Routes)
		}
	}
	return nil
}

// Timers is how many timers are armed.
func (s *Server) Timers() int { return s.wheel.Len() }
