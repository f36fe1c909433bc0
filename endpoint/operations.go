package endpoint

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"sluice/channel"
	"sluice/channel/message"
	"sluice/flexsession"
)

// operations are the commands of a connected client (CommandMessage.operation of Flex, by name). Each replies itself, or returns an error and has changed nothing.
var operations = map[string]func(x *Exchange, req *message.Request, reply func([]byte)) *message.Error{
	"subscribe":       (*Exchange).subscribe,
	"unsubscribe":     (*Exchange).unsubscribe,
	"multi_subscribe": (*Exchange).multiSubscribe,
	"login":           (*Exchange).login,
	"logout":          (*Exchange).logout,
	"disconnect":      (*Exchange).disconnect,
	"ticket":          (*Exchange).ticket,
	"presence":        (*Exchange).presence,
	"poll": func(*Exchange, *message.Request, func([]byte)) *message.Error {
		return &message.Error{Code: message.CodePollNotAlone}
	},
}

// ping is a connect (header DSId "nil"), or a heartbeat.
func (x *Exchange) ping(i int, req *message.Request, send func([]byte)) {
	if req.Headers.DSId != "nil" {
		x.tried(req)
		send(acknowledge(req, message.Acknowledge{}))
		return
	}
	if err := x.connect(i, req, send); err != nil {
		x.refuse(send, about(req, err))
	}
}

func (x *Exchange) connect(i int, req *message.Request, send func([]byte)) *message.Error {
	if x.Client != nil {
		return &message.Error{Code: message.CodeAlreadyConnected}
	}
	if i != 0 {
		return &message.Error{Code: message.CodeDuplicateConnect}
	}
	if !x.Core.Gate.NewSession(x.Peer.RemoteAddr) {
		return &message.Error{Code: message.CodeLimitNewSessions, Value: x.Core.Gate.MaxSessions}
	}
	record, err := x.Carrier.Record()
	if err != nil {
		return err
	}
	c, secret, err := x.Core.Registry.NewClient(x.Def, x.Peer, record, req.Unreliable)
	if err != nil {
		return err
	}
	x.Client = c
	if req.HasHeartbeat {
		c.Promise(promised(req))
	}
	x.Carrier.Connected(c)
	send(acknowledge(req, message.Acknowledge{
		Headers: message.AcknowledgeHeaders{DSId: c.ID(), DSSecret: secret},
		Body:    x.welcome(req.Headers.NeedsConfig),
	}))
	x.tried(req)
	if req.HasAttach {
		x.Carrier.Attach(req, send)
	}
	return nil
}

// welcome is the body of the acknowledgement of a connect.
func (x *Exchange) welcome(withConfig bool) json.RawMessage {
	w := struct {
		Endpoint          string          `json:"endpoint"`
		HeartbeatInterval int64           `json:"heartbeatIntervalMillis"`
		ConfirmInterval   int64           `json:"confirmIntervalMillis"`
		MaxMessageSize    int             `json:"maxMessageSize"`
		MaxRequestSize    int             `json:"maxRequestSize"`
		MaxOpenRequests   int             `json:"maxOpenRequests"`
		Reconnect         int64           `json:"reconnectMillis"`
		ReloadGrace       int64           `json:"reloadGraceMillis"`
		ServerHeartbeat   int64           `json:"serverHeartbeatMillis"`
		DeadPeer          int64           `json:"deadPeerMillis"`
		User              string          `json:"user,omitempty"`
		Config            json.RawMessage `json:"config,omitempty"`
	}{
		x.Def.ID, x.Def.ClientHeartbeat.Milliseconds(), x.Core.Limits.ConfirmInterval.Milliseconds(),
		x.Def.MaxMessageSize, x.Def.MaxRequestSize, x.Core.Limits.MaxOpenRequests,
		millis(x.Def.ReliableReconnectDuration), millis(x.Def.ReloadGrace), millis(x.Def.ServerHeartbeat), millis(x.Def.DeadPeerTimeout), "", nil,
	}
	if p := x.Client.Principal(); p != nil {
		w.User = p.Name
	}
	if withConfig {
		w.Config = x.Core.Config()
	}
	b, _ := json.Marshal(w) // strings, numbers and our own JSON: it cannot fail
	return b
}

// millis is d for a client, to which zero is "off".
func millis(d time.Duration) int64 { return max(0, d.Milliseconds()) }

// destination finds where a subscription is to be made, if the user may.
func (x *Exchange) destination(req *message.Request) (*channel.Destination, *message.Error) {
	d := x.Core.Broker.Destination(req.Destination)
	if d == nil {
		return nil, message.Errorf(message.CodeUnknownDestination, "%q", req.Destination)
	}
	if err := x.Core.Broker.Allow(x.Def.Constraint, x.Client.Principal()); err != nil {
		return nil, err
	}
	return d, d.AllowSubscribe(x.Def, x.Client.Principal())
}

func (x *Exchange) subscribe(req *message.Request, reply func([]byte)) *message.Error {
	d, err := x.destination(req)
	if err != nil {
		return err
	}
	if req.ClientID != "" { // the server makes the ids, so a named one exists, or is somebody else's
		if x.Client.Subscription(req.ClientID) != nil {
			return message.Errorf(message.CodeAlreadySubscribed, "%s", req.ClientID)
		}
		return message.Errorf(message.CodeNotSubscribed, "%s", req.ClientID)
	}
	return x.subscribed(d, req.Headers.Topics(), req, reply)
}

func (x *Exchange) subscribed(d *channel.Destination, topics []message.Topic, req *message.Request, reply func([]byte)) *message.Error {
	begin, err := pastOf(req).cursor()
	if err != nil {
		return err
	}
	s, standing, err := x.Client.SubscribeFrom(d, topics, begin, attend(req), req.MessageID)
	if err != nil {
		return err
	}
	s.SetFrequency(req.Headers.MaxFrequency, topics, nil)
	reply(acknowledge(req, message.Acknowledge{ClientID: s.ID(), Destination: req.Destination, Body: standing.Body()}))
	return nil
}

func (x *Exchange) unsubscribe(req *message.Request, reply func([]byte)) *message.Error {
	if err := x.Client.Unsubscribe(req.ClientID, req.MessageID); err != nil {
		return err
	}
	reply(acknowledge(req, message.Acknowledge{ClientID: req.ClientID, Destination: req.Destination}))
	return nil
}

func (x *Exchange) multiSubscribe(req *message.Request, reply func([]byte)) *message.Error {
	if req.ClientID == "" {
		d, err := x.destination(req)
		if err != nil {
			return err
		}
		return x.subscribed(d, req.Headers.AddSub, req, reply)
	}
	s := x.Client.Subscription(req.ClientID)
	if s == nil {
		return message.Errorf(message.CodeNotSubscribed, "%s", req.ClientID)
	}
	if pastOf(req).asked() {
		return message.Errorf(message.CodeBadField, "position, last and since: only where a subscription begins")
	}
	if attend(req).Watch || attend(req).Info != nil {
		return message.Errorf(message.CodeBadField, "DSPresence and DSPresenceInfo: only where a subscription begins")
	}
	req.Destination = s.Destination()
	if _, err := x.destination(req); err != nil { // the user may have changed since
		return err
	}
	if err := s.Change(req.Headers.AddSub, req.Headers.RemSub, req.MessageID); err != nil {
		return err
	}
	s.SetFrequency(req.Headers.MaxFrequency, req.Headers.AddSub, req.Headers.RemSub)
	reply(acknowledge(req, message.Acknowledge{ClientID: s.ID(), Destination: s.Destination()}))
	return nil
}

func (x *Exchange) login(req *message.Request, reply func([]byte)) *message.Error {
	var encoded string
	if json.Unmarshal(req.Body, &encoded) != nil {
		return message.Errorf(message.CodeBadField, "body: expected Base64 text of user:password")
	}
	plain, err := base64.StdEncoding.DecodeString(encoded)
	user, password, ok := strings.Cut(string(plain), ":")
	if err != nil || !ok {
		return message.Errorf(message.CodeBadField, "body: expected Base64 text of user:password")
	}
	p, refused := x.Core.Verify(x.Peer.RemoteAddr, user, password)
	if refused != nil {
		return refused
	}
	if err := x.Core.logIn(x.Client, p, x.Def.Kind != channel.WebSocket); err != nil {
		return err
	}
	x.identified()
	if r := x.Client.Record(); r != nil && x.Def.Kind != channel.WebSocket {
		x.Carrier.Renewed(r)
	}
	body, _ := json.Marshal(map[string]any{"user": p.Name, "roles": append([]string{}, p.Roles...)})
	reply(acknowledge(req, message.Acknowledge{Body: body}))
	return nil
}

// Verify checks a name and a password, and holds both the address and the name to the number of failures they may have. It blocks while other logins are checked, of which
// there are not many ([Logins]).
func (k *Core) Verify(addr, user, password string) (*channel.Principal, *message.Error) {
	if err := k.Logins.Begin(addr, user); err != nil {
		return nil, err
	}
	ok := false
	defer func() { k.Logins.Ended(addr, user, !ok) }()
	if k.Passwords != nil {
		var p *channel.Principal
		if p, ok = k.Passwords.Verify(user, password); ok {
			return p, nil
		}
	}
	return nil, &message.Error{Code: message.CodeBadCredentials}
}

// logIn makes p the user of c, as [flexsession.FlexClient.Login] does. The users may have been replaced since p was verified.
func (k *Core) logIn(c *flexsession.FlexClient, p *channel.Principal, record bool) *message.Error {
	err := c.Login(p, record)
	if err == nil && k.LoggedIn != nil {
		k.LoggedIn(p)
	}
	return err
}

func (x *Exchange) logout(req *message.Request, reply func([]byte)) *message.Error {
	if x.Client.Principal() == nil {
		return &message.Error{Code: message.CodeLoginRequired}
	}
	reply(acknowledge(req, message.Acknowledge{}))
	if r := x.Client.Logout(); r != nil {
		x.Carrier.Renewed(r)
	}
	return nil
}

func (x *Exchange) disconnect(req *message.Request, reply func([]byte)) *message.Error {
	reply(acknowledge(req, message.Acknowledge{}))
	r := x.Client.Record()
	x.Client.End(flexsession.Because(message.CodeClientDisconnect))
	if r != nil && x.Def.Kind != channel.WebSocket && r.InvalidateOnDisconnect() {
		r.End(flexsession.Because(message.CodeSessionInvalidated))
	}
	return nil
}

func (x *Exchange) ticket(req *message.Request, reply func([]byte)) *message.Error {
	body, _ := json.Marshal(map[string]string{"ticket": x.Core.Tickets.Issue(x.Client.ID(), x.Client.Principal())})
	reply(acknowledge(req, message.Acknowledge{Body: body}))
	return nil
}
