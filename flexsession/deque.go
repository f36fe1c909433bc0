package flexsession

// deque is a queue in a ring that grows by doubling. When it runs empty after having grown large it lets the ring go: a client that was behind once does not
// hold the memory for ever. The zero deque is empty and holds no memory.
type deque[T any] struct {
	ring []T // length is a power of two
	head int32
	n    int32
}

// keepRing is the largest ring an empty deque keeps.
const keepRing = 32

func (d *deque[T]) len() int { return int(d.n) }

func (d *deque[T]) at(i int) *T { return &d.ring[(int(d.head)+i)&(len(d.ring)-1)] }

func (d *deque[T]) front() *T { return d.at(0) }

func (d *deque[T]) push(v T) {
	if int(d.n) == len(d.ring) {
		d.grow()
	}
	d.n++
	*d.at(int(d.n) - 1) = v
}

func (d *deque[T]) pop() {
	var zero T
	*d.front() = zero
	d.head = (d.head + 1) & int32(len(d.ring)-1)
	d.n--
	if d.n == 0 && len(d.ring) > keepRing {
		d.ring, d.head = nil, 0
	}
}

func (d *deque[T]) grow() {
	ring := make([]T, max(2, 2*len(d.ring)))
	for i := range int(d.n) {
		ring[i] = *d.at(i)
	}
	d.ring, d.head = ring, 0
}
