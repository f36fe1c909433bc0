package message

import (
	_ "embed" // the code table
	"encoding/json"
	"fmt"
	"slices"
)

// Code is one row of codes.json: why something ended or was refused. 4000 to 4499 end a connection or a client and serve as WebSocket close codes
// too (RFC 6455 section 7.4.2: 4000-4999 are for private use); 4500 to 4999 refuse a request. A number, once published, keeps its meaning.
type Code int

// firstRefusal is where the refusals begin.
const firstRefusal = 4500

// The ends of connections and clients.
const (
	CodeClientDisconnect        Code = 4000 // The client disconnected.
	CodeSessionTimeout          Code = 4001 // The session saw no activity for the configured time.
	CodeSessionInvalidated      Code = 4002 // Another client of the same session disconnected, and the channel ends the session with it.
	CodeAdministrator           Code = 4003 // An administrator ended this session or client.
	CodeDisplaced               Code = 4004 // A newer connection of the same client took over.
	CodeSlowConsumer            Code = 4005 // More messages were waiting than the client may leave unread.
	CodeProtocolError           Code = 4006 // The client sent something that is not the protocol.
	CodeServerShutdown          Code = 4007 // The server is shutting down.
	CodeConnectionLost          Code = 4008 // The connection ended without a goodbye.
	CodeHeartbeatFailed         Code = 4009 // A heartbeat could not be written to the connection.
	CodeWriteTimeout            Code = 4010 // The connection took no data for the configured time.
	CodeLogout                  Code = 4011 // The user logged out.
	CodeClientDetached          Code = 4012 // The page was closed or left.
	CodeStreamClosed            Code = 4013 // The client closed the stream.
	CodeHandshakeTimeout        Code = 4014 // The client did not connect in the time given for it.
	CodeInternalError           Code = 4015 // The server failed while serving this connection.
	CodeMessageTooLarge         Code = 4016 // The client sent a frame larger than the server takes.
	CodeConnectionClosed        Code = 4017 // The peer closed the connection in order.
	CodeClientVanished          Code = 4019 // The client lost its connection and did not come back in the time given for it.
	CodeIdleTimeout             Code = 4020 // Neither messages nor heartbeats of the client went over the connection for the configured time.
	CodeMissedPong              Code = 4021 // The peer left a ping unanswered for the configured time.
	CodeMissedHeartbeats        Code = 4022 // The heartbeats that the client had promised did not come.
	CodeUnacknowledgedBytes     Code = 4023 // The peer's machine acknowledged nothing of what was sent to it for the configured time.
	CodeTokenExpired            Code = 4024 // The login was good for a limited time, and that is over.
	CodeSubscriptionTimeout     Code = 4025 // No message was sent to the subscription for the configured time.
	CodeClientTimeout           Code = 4026 // The client outlived its last session by the configured time without coming back.
	CodeServerVanished          Code = 4027 // The server left a heartbeat or a request unanswered.
	CodeClientAsleep            Code = 4028 // The machine or the page was asleep for longer than the connection lasts.
	CodeOffline                 Code = 4029 // The machine has no network.
	CodeLimitBrowserConnections Code = 4030 // The other tabs of this browser hold as many connections to the server as may be held open.
)

// The refusals of requests.
const (
	CodeBadMessage              Code = 4500 // The message is not one JSON object whose first key is "type".
	CodeMessageTooBig           Code = 4501 // The message is larger than the server takes.
	CodeMessageTooDeep          Code = 4502 // The message is nested more deeply than the server takes.
	CodeBadText                 Code = 4503 // The message is not valid UTF-8 or holds a NUL.
	CodeBadField                Code = 4504 // A field is missing or of the wrong type.
	CodeUnknownType             Code = 4505 // The message type is not one a client may send.
	CodeUnknownOperation        Code = 4506 // The operation is not known.
	CodeUnknownDestination      Code = 4507 // There is no such destination.
	CodeChannelNotAllowed       Code = 4508 // The destination is not served on this channel.
	CodeSubtopicsNotAllowed     Code = 4509 // The destination has no subtopics.
	CodeBadSubtopic             Code = 4510 // The subtopic is not well formed.
	CodeWildcardPublish         Code = 4511 // A message cannot be sent to a wildcard subtopic.
	CodeWildcardNotAllowed      Code = 4512 // The destination does not allow wildcard subtopics.
	CodeNotSubscribed           Code = 4513 // There is no such subscription of this client.
	CodeAlreadySubscribed       Code = 4514 // This subscription exists already.
	CodePollNotAlone            Code = 4515 // A poll must stand alone in its request.
	CodeLoginRequired           Code = 4516 // This needs a logged-in user.
	CodeBadCredentials          Code = 4517 // The user name or the password is wrong.
	CodeAlreadyLoggedIn         Code = 4518 // Another user is logged in.
	CodeAccessDenied            Code = 4519 // The user may not do this.
	CodeNotConnected            Code = 4520 // This needs a connected client: send client_ping with DSId "nil" first, or present its bearer token.
	CodeAlreadyConnected        Code = 4521 // This connection has its client already.
	CodeUnknownClient           Code = 4522 // The server does not know this client, or its secret is wrong.
	CodeUplinkGap               Code = 4523 // A message before this one is missing.
	CodeTooManyRequests         Code = 4524 // Too many requests of this client are open.
	CodeNotServed               Code = 4525 // This version of the server does not serve that.
	CodeForeignOrigin           Code = 4526 // Requests from that origin are not allowed.
	CodeBadContentType          Code = 4527 // The request needs Content-Type application/json.
	CodeLimitStreams            Code = 4528 // The endpoint holds as many open streams as it may.
	CodeLimitSessionConnections Code = 4529 // The session holds as many open streams and polls as it may.
	CodeLimitPolls              Code = 4530 // The endpoint holds as many waiting polls as it may, so this one was answered at once.
	CodeLimitConnections        Code = 4531 // The server holds as many connections as it may.
	CodeLimitNewSessions        Code = 4532 // Too many new sessions come from this address.
	CodeLimitSubscriptions      Code = 4533 // The client holds as many subscriptions as it may.
	CodeLimitClients            Code = 4534 // The server holds as many clients as it may.
	CodeLimitClientsPerSession  Code = 4535 // The session holds as many clients as it may.
	CodeUnknownEndpoint         Code = 4536 // There is nothing at this address.
	CodeBadRequest              Code = 4537 // The request is not one this address understands.
	CodeUnknownStream           Code = 4538 // There is no such open stream of this client.
	CodeLimitLogins             Code = 4539 // Too many logins have failed; try again later.
	CodeBadTicket               Code = 4540 // The ticket is unknown, used or older than 30 seconds.
	CodeBadApiKey               Code = 4541 // The request needs one of the configured API keys.
	CodeNotFound                Code = 4542 // There is no such session, client or user.
	CodeOverloaded              Code = 4543 // The server has more messages under way than it may.
	CodeRequestTimeout          Code = 4544 // The request did not arrive in the time given for it.
	CodeInsecure                Code = 4545 // This needs TLS.
	CodeMethodNotAllowed        Code = 4546 // That HTTP method is not served at this address.
	CodeDuplicateConnect        Code = 4547 // A connect must be the first message of its frame or request, and stand there once.
	CodeLimitSessions           Code = 4548 // The server holds as many sessions as it may.
	CodeLimitDescriptors        Code = 4549 // The server's process holds as many files and connections open as its operating system lets it.
	CodeInternal                Code = 4550 // The server could not do this.
	CodeBadConfiguration        Code = 4551 // The configuration has mistakes; nothing has changed.
	CodeHistoryNotKept          Code = 4552 // The destination keeps no messages of the past.
	CodeBadSelector             Code = 4553 // The selector is not well formed, or selectors are not allowed there.
	CodeThrottled               Code = 4554 // Messages come faster than the destination takes them.
	CodePresenceNotKept         Code = 4555 // The destination does not tell who is subscribed.
)

// CodeInfo is what the table says about a code. It is shared and must not be changed.
type CodeInfo struct {
	Code             Code   `json:"code"`
	Name             string `json:"name"`             // stable, for programs
	Sentence         string `json:"sentence"`         // for people; safe to show to anyone
	Kind             string `json:"kind"`             // what to make of it: "left", "timeout", "shutdown", "vanished", "away", "removed" or "refused"; a refusal without one in the table is "refused"
	Over             bool   `json:"over"`             // the client is over with it, and not only a connection; session-timeout: unless flex-client/timeout-minutes lets it live on
	Reconnect        string `json:"reconnect"`        // may the client come back: "yes", "no", or "after" RetryAfterMillis
	RetryAfterMillis int    `json:"retryAfterMillis"` // 0: none given
	Setting          string `json:"setting"`          // the key in services-config.xml behind it; empty: none
	FaultCode        string `json:"faultCode"`        // Flex fault code; empty for the codes of ends
	HTTPStatus       int    `json:"httpStatus"`       // of an HTTP request refused as a whole; 0 for the codes of ends
	Client           bool   `json:"client"`           // only clients conclude it: the server never sends it
}

//go:embed codes.json
var codesJSON []byte

// table holds the rows in the order of their codes, byCode where each one stands. Neither changes after start.
var table, byCode = loadCodes(codesJSON)

func loadCodes(text []byte) ([]CodeInfo, map[Code]*CodeInfo) {
	var rows []CodeInfo
	if err := json.Unmarshal(text, &rows); err != nil {
		panic(fmt.Sprintf("message: codes.json: %v", err))
	}
	slices.SortFunc(rows, func(a, b CodeInfo) int { return int(a.Code - b.Code) })
	index := make(map[Code]*CodeInfo, len(rows))
	for i := range rows {
		if rows[i].Code >= firstRefusal && rows[i].Kind == "" {
			rows[i].Kind = "refused"
		}
		index[rows[i].Code] = &rows[i]
	}
	return rows, index
}

// Codes returns the whole table, ordered by code. The slice is the caller's.
func Codes() []CodeInfo { return slices.Clone(table) }

// Info returns the row of c, never nil: a code that is not in the table has the row of CodeInternal.
func (c Code) Info() *CodeInfo {
	if info := byCode[c]; info != nil {
		return info
	}
	return byCode[CodeInternal]
}

// String returns the name of the code, or its number when the table does not know it.
func (c Code) String() string {
	if info := byCode[c]; info != nil {
		return info.Name
	}
	return fmt.Sprintf("code %d", int(c))
}
