// Package enginetest holds every channel.Engine to what the interface promises. It is for tests.
package enginetest
