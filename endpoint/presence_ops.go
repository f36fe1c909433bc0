package endpoint

import (
	"encoding/json"

	"sluice/channel/message"
	"sluice/flexsession"
)

// attend is how the subscription of a request is to take part in presence.
func attend(req *message.Request) flexsession.Attend {
	return flexsession.Attend{Watch: req.Headers.Presence, Info: req.Headers.PresenceInfo}
}

// presence answers who is subscribed to a subtopic: a part of the members, where there are many.
func (x *Exchange) presence(req *message.Request, reply func([]byte)) *message.Error {
	d, err := x.destination(req)
	if err != nil {
		return err
	}
	var want struct {
		After string `json:"after"`
		Limit int    `json:"limit"`
	}
	if req.Body != nil && json.Unmarshal(req.Body, &want) != nil {
		return message.Errorf(message.CodeBadField, "body: expected an object with after, text, and limit, a number")
	}
	topics := req.Headers.Topics()
	if len(topics) > 1 {
		return message.Errorf(message.CodeBadField, "header DSSubtopic: expected one subtopic")
	}
	members, err := d.Members(topics[0].Subtopic, want.After, want.Limit, x.Client.Member())
	if err != nil {
		return err
	}
	reply(acknowledge(req, message.Acknowledge{Destination: req.Destination, Body: members.Body()}))
	return nil
}
