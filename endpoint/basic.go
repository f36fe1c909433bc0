package endpoint

import "sluice/channel/message"

// admit says whether the channel takes the request: where its constraint has auth-method Basic, one without a user is refused as a whole. The user is that of the client, of the
// cookie, or of Authorization: Basic (RFC 7617), which logs in the client that the request connects. Lines that log in bring a user as well.
func (q *Request) admit() *message.Error {
	if !q.Core.Basic[q.Def.Constraint] || q.logsIn() {
		return nil
	}
	if q.Client == nil {
		if record := q.Core.CookieRecord(q.r); record != nil && record.Principal() != nil {
			return nil
		}
		if name, password, ok := q.r.BasicAuth(); ok {
			var err *message.Error
			q.user, err = q.Core.Verify(q.Peer.RemoteAddr, name, password)
			return err
		}
	} else if q.Client.Principal() != nil {
		return nil
	}
	return &message.Error{Code: message.CodeLoginRequired}
}

// logsIn says whether one of the first lines is a login.
func (q *Request) logsIn() bool {
	for i, req := range q.Reqs {
		if q.Errs[i] == nil && req.Operation == "login" {
			return true
		}
	}
	return false
}

// logIn makes the user whom admit has found, if it has, that of the client and of the cookie's record. It reports false where another tab was quicker, as somebody else.
func (q *Request) logIn() bool { return q.user != nil && q.Core.logIn(q.Client, q.user, true) == nil }
