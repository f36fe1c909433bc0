// Package websocket is the WebSocketEndpoint: one socket for both directions, in the place of LCDS's RTMP. The FlexSession of a socket dies with it, whatever the reason, and so does
// the client that is attached there.
//
// gorilla/websocket does the handshake and the reading. What is written we frame ourselves: a connection has one writer at a time, a goroutine that exists only while there is
// something to write, and it puts everything that waits into one frame. gorilla's own control frames (its answers to pings and to errors) are not sent; ours
// are, by the same writer, so that nothing stands in the middle of a frame.
package websocket
