package server

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/rs/zerolog"
)

// reserved is how many descriptors are held back: so many connections at a time can be told that there is none for them. The next one waits in the operating system's queue.
const reserved = 16

// reserve holds descriptors back, so that a server whose process is out of them can still say so. Whatever is closed goes to the reserve first. It is safe for concurrent use; the zero value has none.
type reserve struct {
	log     zerolog.Logger
	missing atomic.Int32 // how many are on loan

	mu      sync.Mutex // guards the following
	files   []*os.File
	refused int       // since it was last logged
	logged  time.Time // when that was
}

// open takes the descriptors. Where there are not so many the reserve is smaller for now.
func (r *reserve) open(log zerolog.Logger) {
	r.log = log
	r.missing.Store(reserved)
	r.refill()
}

// close gives all of them up.
func (r *reserve) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.missing.Store(0)
	for _, f := range r.files {
		f.Close()
	}
	r.files = nil
}

// refill takes back what is on loan, as far as there are descriptors, and says whether it is whole.
func (r *reserve) refill() bool {
	if r.missing.Load() == 0 {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.missing.Load() > 0 {
		f, err := os.Open(os.DevNull)
		if err != nil {
			return false
		}
		r.files = append(r.files, f)
		r.missing.Add(-1)
	}
	return true
}

// lend frees a descriptor for a connection that is to be refused. false: none is left.
func (r *reserve) lend() bool {
	r.refill()
	r.mu.Lock()
	defer r.mu.Unlock()
	last := len(r.files) - 1
	if last < 0 {
		return false
	}
	r.files[last].Close()
	r.files = r.files[:last]
	r.missing.Add(1)
	return true
}

// note logs a refusal, at most once a second.
func (r *reserve) note() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refused++
	if now := time.Now(); now.Sub(r.logged) >= time.Second {
		r.log.Warn().Uint64("descriptors", descriptorLimit()).Int("refused", r.refused).Msg("out of descriptors (ulimit -n): connections are refused")
		r.refused, r.logged = 0, now
	}
}

// accept is n.Accept. out: the connection is to be refused, for the reserve is not whole, as when there was a descriptor for it only because the reserve had one.
func (r *reserve) accept(n net.Listener) (c net.Conn, out bool, err error) {
	c, err = n.Accept()
	if (errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)) && r.lend() {
		c, err = n.Accept()
	}
	switch {
	case err != nil:
		return nil, false, err // http.Server waits a moment after a want of descriptors, and tries again
	case r.refill():
		return c, false, nil
	}
	r.note()
	return c, true, nil
}

// CheckDescriptors says plainly when more connections are allowed than this process can open. [Server.Start] logs it as a warning. The internal listeners, whose default is as high as any, are not counted: few watch a
// server.
func (s *Server) CheckDescriptors() error {
	limit, allowed := descriptorLimit(), uint64(0)
	for _, l := range s.listeners {
		if l.Role != Internal {
			allowed += uint64(l.now().MaxConnections)
		}
	}
	if limit > 0 && allowed > limit {
		return fmt.Errorf("max-connections allows %d connections on all servers, but a process may have only %d descriptors here (ulimit -n); beyond that connections are refused with limit-descriptors", allowed, limit)
	}
	return nil
}
