// Package config reads services-config.xml, the file format of BlazeDS and LCDS with this server's additions, into one typed [Config].
//
// It promises three things that the originals did not. Every problem of a file is told at once, each with file, line, element path and
// what was expected, so that an operator mends a file in one round. A number that is none is refused, not silently replaced. And
// nothing is accepted and then ignored: a setting is honoured, or reported as ignored with the reason, or wrong.
//
// One table, [Settings], makes all of it: the parser looks names up there, [Report] speaks from it, and docs/settings.md is printed from it.
//
// Two regimes exist. Our own endpoint classes (WebSocketEndpoint, StreamingEndpoint, LongPollEndpoint) have our defaults, and an unknown
// setting or a bad value under them is an error. The endpoint classes of BlazeDS and LCDS keep the defaults that their files were
// written for, and there such a thing is a warning, because a file that has run for years should load. What stands outside a channel
// follows the document: it is foreign when every channel in it is.
//
// Load, LoadFS and Parse hold no state: any number of goroutines may call them. They read files and the environment, nothing else.
package config
