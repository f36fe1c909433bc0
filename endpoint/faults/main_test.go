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
		flag.Set("test.parallel", "24") // they do nothing but wait
		goleak.VerifyTestMain(around(m))
	}
}

// runner runs tests.
type runner interface{ Run() int }
