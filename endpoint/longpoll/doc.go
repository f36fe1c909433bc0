// Package longpoll is the LongPollEndpoint: requests by POST, and polls that are held until there is something to say.
//
// One poll of a client is held at a time; a second one displaces the first, which is told. A poll that cannot be held, because the endpoint holds
// as many as it may, is answered at once, with the reason and the time after which to come again. Nothing is lost between polls: lines leave the outbox when the
// client confirms them, with its next poll.
package longpoll
