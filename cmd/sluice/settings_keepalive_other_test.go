//go:build !linux

package main

import "testing"

// kernelKeepAlive is known of Linux only.
func kernelKeepAlive(t *testing.T, _, _ int) string {
	t.Fatal("it is not known how to ask this operating system for the options of a socket")
	return ""
}
