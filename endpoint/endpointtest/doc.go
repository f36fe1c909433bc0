// Package endpointtest is what tests of the endpoints share. Nothing but tests imports it.
//
// [Listen] makes a network of its own in memory, for servers and clients in a testing/synctest bubble, where real sockets stop the clock and
// net.Pipe, having no buffer, hides everything that a buffer does: lines written together, a peer that reads late, a connection that
// ends with data under way. All waiting is on condition variables and channels, with no lock held, so that a goroutine waiting here is durably blocked
// and the clock of the bubble goes on. Listener and connections must be made in the bubble that uses them; outside of one they work as well.
//
// A [Conn] behaves like a TCP connection on Linux over a wire without delay:
//
//   - 64 KiB of what was written wait for the reader; then Write blocks, and [Conn.TryWrite] says EAGAIN.
//   - CloseWrite and Close send a FIN behind the data. Close with input unread sends a reset (RFC 1122 section 4.2.2.13): the peer reads what had
//     arrived, then ECONNRESET. The first write to a peer that has closed seems to work; the next one fails.
//   - A deadline that has passed fails reads and writes at once, data or not.
//   - Of two Writes at a time one waits for the other.
//
// Faults are methods: [Conn.Freeze] and [Conn.Thaw], [Conn.Cut], [Conn.Reset], [Conn.Drop]. They act on the side they are called on;
// [Conn.Peer] is the other one.
package endpointtest
