package websocket

import (
	"bufio"
	"io"
	"sync"
)

// readers lend a connection the buffer behind its reader while something comes in, so that an idle one holds none. gorilla keeps a pointer to the connection's bufio.Reader,
// so it is that Reader's content which is put in and taken out. The zero value is ready to use.
type readers struct{ pool sync.Pool }

// readBuffer is the size of a lent buffer: what of small frames arrives together is worked on together.
const readBuffer = 4096

// lend makes r, which has no buffer, read from c.
func (p *readers) lend(r *bufio.Reader, c io.Reader) {
	lent, ok := p.pool.Get().(*bufio.Reader)
	if !ok {
		lent = bufio.NewReaderSize(c, readBuffer)
	}
	lent.Reset(c)
	*r = *lent
}

// takeBack leaves r without a buffer. There must be nothing in it.
func (p *readers) takeBack(r *bufio.Reader) {
	lent := new(bufio.Reader)
	*lent = *r
	lent.Reset(nil)
	p.pool.Put(lent)
	*r = bufio.Reader{}
}

// waiter is a connection that can wait for input without a buffer. It returns an error, at once, when this one cannot.
type waiter interface{ WaitReadable() error }
