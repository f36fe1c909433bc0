// Package faults is about what networks, machines and operating systems do to a server that has done nothing wrong. It has a [Proxy] that does what networks do, which sluice bench uses too, and tests.
// Their clients are processes of their own, their connections real sockets, their times those of the machine's clock.
//
// Some of the tests pull cables. They need network namespaces, so root and iproute2, and the build tag netns:
//
//	go test -tags netns ./endpoint/faults
//
// docs/dead-peers.md says what must become of each fault, and by when.
package faults
