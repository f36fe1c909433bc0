// Package server puts the parts together: from Options to listeners, routes, metrics and the API, and an orderly end. It is the public way to embed Sluice in a Go
// program; cmd/sluice does no more than fill in Options from services-config.xml.
//
// A server is made by [New], started once by [Server.Start] and ended once by [Server.Shutdown]. It keeps no package state, so a program may run several.
package server
