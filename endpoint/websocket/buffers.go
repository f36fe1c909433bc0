package websocket

import "sync"

// buffers are lent to connections while they read or write. The zero value is ready to use.
type buffers struct{ pool sync.Pool }

func (p *buffers) get() *[]byte {
	if b, ok := p.pool.Get().(*[]byte); ok {
		return b
	}
	b := make([]byte, 0, 4096)
	return &b
}

// put takes b back, unless it has grown larger than ordinary use needs.
func (p *buffers) put(b *[]byte) {
	if cap(*b) <= 2*maxWrite {
		*b = (*b)[:0]
		p.pool.Put(b)
	}
}
