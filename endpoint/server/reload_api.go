package server

import (
	"errors"
	"net/http"

	"sluice/channel/message"
)

// reload reads the configuration again, as SIGHUP does, and answers what has changed. The request has no body, or an empty object.
func (a *api) reload(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength != 0 {
		if err := a.read(w, r, new(struct{})); err != nil {
			a.fail(w, err)
			return
		}
	}
	read := a.s.opts().Reload
	if read == nil {
		a.fail(w, message.Errorf(message.CodeNotServed, "there is no file that could be read again"))
		return
	}
	done, err := read()
	var bad *BadConfiguration
	switch {
	case err == nil:
		a.answer(w, http.StatusOK, done)
	case errors.As(err, &bad):
		a.fail(w, &message.Error{Code: message.CodeBadConfiguration}, bad.Problems...)
	case errors.Is(err, ErrShutdown):
		a.fail(w, &message.Error{Code: message.CodeServerShutdown})
	default:
		a.log.Error().Err(err).Msg("reload")
		a.fail(w, &message.Error{Code: message.CodeInternal})
	}
}
