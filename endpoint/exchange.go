package endpoint

import (
	"time"

	"sluice/channel"
	"sluice/channel/message"
	"sluice/flexsession"
)

// Carrier is what an Exchange needs of the connection or request whose lines it works on.
type Carrier interface {
	// Reply takes the reply to line number i. It may be called later and from another goroutine; it must not block. It is called once for each command and
	// published message.
	Reply(i int, line []byte)
	// Connected is told of the client that a connect has made, before its reply.
	Connected(c *flexsession.FlexClient)
	// Attach serves a control attach; reply takes its answer.
	Attach(req *message.Request, reply func([]byte))
	// Record is the login record behind the request, made if need be; nil on a WebSocket that came without a cookie.
	Record() (*flexsession.Record, *message.Error)
	// Renewed is told that the user of the record has changed, so that its cookie must change as well.
	Renewed(r *flexsession.Record)
}

// Exchange works on the lines of one frame or body after the other. It is used by one goroutine at a time.
type Exchange struct {
	Core    *Core
	Def     *channel.ChannelDefinition
	Client  *flexsession.FlexClient // nil until connected
	Peer    flexsession.Peer
	Carrier Carrier

	batch   []*message.Message // published, not yet handed to the broker
	replies []func([]byte)     // of the batch, by position
}

// Work handles requests in their order. errs[i] is not nil where line i could not be read. Messages that follow each other are published as one batch. From where the client is known
// no other frame or body of it is worked on at the same time.
func (x *Exchange) Work(reqs []*message.Request, errs []*message.Error) {
	i := 0
	for ; i < len(reqs) && x.Client == nil; i++ { // up to a connect, or an attach of a client that others may know
		x.line(i, reqs[i], errs[i])
	}
	if x.Client == nil || i == len(reqs) {
		return
	}
	x.Client.Serially(func() {
		for ; i < len(reqs); i++ {
			x.line(i, reqs[i], errs[i])
		}
		x.flush()
	})
}

func (x *Exchange) line(i int, req *message.Request, err *message.Error) {
	send := func(line []byte) { x.Carrier.Reply(i, line) }
	if err != nil {
		x.unreadable(err, send)
		return
	}
	if x.Client != nil {
		if ended := x.Client.Ended(); ended != nil { // by a line before this one, or meanwhile
			send(GoneLine(ended))
			return
		}
		if req.HasHave && !x.Client.Confirm(req.Have) {
			send(message.AppendGone(nil, message.Gone{Reason: "ahead"}))
			return
		}
		if req.HasGot {
			x.Client.Got(req.Got)
		}
		x.Client.Touch()
		if req.HasHeartbeat {
			x.Client.Promise(promised(req))
		}
	}
	switch {
	case req.Type == "control":
		x.flush()
		x.control(req, send)
	case req.Operation == "client_ping":
		x.flush()
		x.ping(i, req, send)
	case x.Client == nil:
		x.refuse(send, about(req, &message.Error{Code: message.CodeNotConnected}))
	default:
		if reply, run := x.Client.Begin(req, send); run {
			x.request(req, reply)
		}
	}
}

// promised is how long the client may be silent by its own word.
func promised(req *message.Request) time.Duration {
	const longest = 24 * 60 * 60 * 1000
	return time.Duration(min(req.Heartbeat, longest)) * time.Millisecond
}

// unreadable refuses a line that could not be read. If its seq could be, that is used up: what the client sends next is not a gap.
func (x *Exchange) unreadable(err *message.Error, send func([]byte)) {
	if err.Seq != 0 && x.Client != nil {
		reply, run := x.Client.Begin(&message.Request{HasSeq: true, Seq: err.Seq, MessageID: err.CorrelationID}, send)
		if !run {
			return
		}
		send = reply
	}
	x.refuse(send, err)
}

// request runs one numbered, or simple, request of a connected client.
func (x *Exchange) request(req *message.Request, reply func([]byte)) {
	defer func() {
		if p := recover(); p != nil { // its reply is kept under its seq: a repeat must not wait for one that never comes
			x.refuse(reply, about(req, &message.Error{Code: message.CodeInternal}))
			panic(p)
		}
	}()
	if req.Type == "async" {
		if err := x.publish(req, reply); err != nil {
			x.refuse(reply, about(req, err))
		}
		return
	}
	x.flush() // what was published before takes effect before
	run, ok := operations[req.Operation]
	if !ok {
		x.refuse(reply, about(req, message.Errorf(message.CodeUnknownOperation, "%q", req.Operation)))
		return
	}
	if err := run(x, req, reply); err != nil {
		x.refuse(reply, about(req, err))
	}
}

func (x *Exchange) control(req *message.Request, send func([]byte)) {
	switch req.Operation {
	case "attach":
		x.Carrier.Attach(req, send)
	case "confirm": // have and got were noted already
		if x.Client == nil {
			x.refuse(send, about(req, &message.Error{Code: message.CodeNotConnected}))
		}
	case "detach":
		if x.Client != nil {
			x.Client.Leave(req.Attach)
		}
	default:
		x.refuse(send, about(req, message.Errorf(message.CodeUnknownOperation, "%q", req.Operation)))
	}
}

func (x *Exchange) publish(req *message.Request, reply func([]byte)) *message.Error {
	d := x.Core.Broker.Destination(req.Destination)
	if d == nil {
		return message.Errorf(message.CodeUnknownDestination, "%q", req.Destination)
	}
	if err := x.Core.Broker.Allow(x.Def.Constraint, x.Client.Principal()); err != nil {
		return err
	}
	if err := d.AllowSend(x.Def, x.Client.Principal()); err != nil {
		return err
	}
	if err := d.CheckSend(req.Headers.Subtopics); err != nil {
		return err
	}
	m := req.Message(time.Now(), flexsession.NewID)
	if d.Holds() {
		x.flush() // what waits is not to go before it
	}
	how, err := d.Admit(x.Client.ID(), m, func(how channel.Admission, err *message.Error) { x.published(m, how, err, reply) })
	switch {
	case err != nil:
		return err
	case how == channel.Admitted:
		x.batch = append(x.batch, m)
		x.replies = append(x.replies, reply)
	case how == channel.Ignored:
		reply(publishedLine(m, how))
	}
	return nil
}

// published answers a publisher. It may be called from any goroutine.
func (x *Exchange) published(m *message.Message, how channel.Admission, err *message.Error, reply func([]byte)) {
	if err != nil {
		x.refuse(reply, &message.Error{Code: err.Code, CorrelationID: m.ID, Detail: err.Detail})
		return
	}
	if how == channel.Admitted {
		x.Core.Stats.MessagesIn.Add(1)
	}
	reply(publishedLine(m, how))
}

// publishedLine is the acknowledgement of a message. It says so where the message was not published, for there came too many.
func publishedLine(m *message.Message, how channel.Admission) []byte {
	a := message.Acknowledge{CorrelationID: m.ID, Destination: m.Destination}
	switch how {
	case channel.Ignored:
		a.Body = []byte(`{"throttled":true}`)
	case channel.Merged:
		a.Body = []byte(`{"throttled":true,"merged":true}`)
	}
	return message.AppendAcknowledge(nil, a)
}

// flush hands the batch to the broker.
func (x *Exchange) flush() {
	if len(x.batch) == 0 {
		return
	}
	batch, replies := x.batch, x.replies
	x.batch, x.replies = nil, nil
	x.Core.Broker.Publish(batch, func(i int, err *message.Error) {
		x.published(batch[i], channel.Admitted, err, replies[i])
	})
}

func (x *Exchange) refuse(send func([]byte), err *message.Error) {
	x.Core.Stats.refused(err.Code)
	send(message.AppendError(nil, err))
}

// about names the request an error is about.
func about(req *message.Request, err *message.Error) *message.Error {
	err.CorrelationID = req.MessageID
	return err
}

func acknowledge(req *message.Request, a message.Acknowledge) []byte {
	a.CorrelationID = req.MessageID
	return message.AppendAcknowledge(nil, a)
}
