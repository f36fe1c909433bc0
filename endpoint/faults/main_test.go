//go:build linux

package faults

import (
	"flag"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// roleKey is the environment variable that makes this binary something else than the tests.
const roleKey = "SLUICE_FAULTS_ROLE"

// TestMain runs what a test has started this binary for, else the tests.
func TestMain(m *testing.M) {
	switch os.Getenv(roleKey) {
	case "server":
		serveFew()
	case "client":
		runClient()
	default:
		flag.Parse()
		flag.Set("test.parallel", "16") // they do nothing but wait
		goleak.VerifyTestMain(timed{around(m)})
	}
}

// runner runs tests.
type runner interface{ Run() int }

// timed runs tests by the clock of busy_test.go.
type timed struct{ runner }

// Run implements runner.
func (t timed) Run() int {
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		keepTime(stop)
	}()
	defer func() {
		close(stop)
		<-done
	}()
	return t.runner.Run()
}
