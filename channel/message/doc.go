// Package message holds the messages of Sluice and their one encoding: lines of JSON, as docs/protocol.md lays them down, and the table of codes.
//
// A line is read once, on entry: [Decode] checks all of it (UTF-8, RFC 8259, depth) and takes the envelope out in a single pass, because a server
// that relays does little else, and because what has been checked may then be handed on byte for byte. A published line is built once, by
// [Request.Message], and every subscriber is given the same bytes. Nothing of a publisher reaches the structure of a line: the fields that belong to
// its connection are cut out, line ends outside strings become spaces, and the two fields that the server owns, type and timestamp, stand first.
//
// Replies and control lines are appended to a buffer of the caller (AppendAcknowledge, AppendError, AppendAttached …), without reflection, each with
// its LF.
//
// Nothing in this package blocks, starts a goroutine or keeps state; what it returns is safe for any number of readers, and only Decode changes what
// it is given. Errors are *[Error], made to be sent as they are: they hold no internal text.
package message
