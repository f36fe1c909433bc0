package client

import (
	"errors"
	"fmt"

	"sluice/channel/message"
)

// EndKind sorts the codes into what a program decides by, as the table of codes does (docs/protocol.md section 7). The code says more.
type EndKind string

const (
	// EndLeft: this side went, or its user logged out.
	EndLeft EndKind = "left"
	// EndTimeout: a configured time ran out while the server was there: the session's, the connection's, the one for coming back.
	EndTimeout EndKind = "timeout"
	// EndShutdown: the server said that it goes down, and when to come back.
	EndShutdown EndKind = "shutdown"
	// EndVanished: the connection went, or fell silent, without a goodbye of the server; or the server is another and does not know the client.
	EndVanished EndKind = "vanished"
	// EndAway: this machine was asleep ([Error.Away]).
	EndAway EndKind = "away"
	// EndRemoved: somebody else ended it: an administrator, another client of the session, a newer connection.
	EndRemoved EndKind = "removed"
	// EndRefused: the server would not serve this: a limit, a right, a mistake, a failure of its own.
	EndRefused EndKind = "refused"
)

// concluded is an Error that this side concludes, where the server said nothing.
func concluded(code message.Code, detail string) *Error {
	e := (&Error{Code: code, Detail: detail}).complete()
	e.concluded = true
	return e
}

// vanished says that the server left something unanswered, or was silent for too long.
func vanished(format string, args ...any) *Error {
	return concluded(message.CodeServerVanished, fmt.Sprintf(format, args...))
}

// causeOf returns why a connection or a try to make one failed: what the server said, what this side concluded, or the connection's own error.
func causeOf(err error) *Error {
	if err == nil {
		return nil
	}
	if e := new(Error); errors.As(err, &e) {
		return e
	}
	return concluded(message.CodeConnectionLost, err.Error())
}

// said tells whether err is the server's word.
func said(err error) bool {
	e := new(Error)
	return errors.As(err, &e) && !e.concluded
}
