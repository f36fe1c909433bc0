//go:build linux && netns

package faults

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
)

// insideKey is the environment variable by which this binary knows the network namespace that it runs in.
const insideKey = "SLUICE_FAULTS_NAMESPACE"

// around is m in a network namespace of its own: the machine's own network is left alone.
func around(m *testing.M) runner {
	if os.Getenv(insideKey) != "" {
		return m
	}
	return elsewhere{}
}

// elsewhere runs this binary again, in a namespace.
type elsewhere struct{}

// Run implements runner.
func (elsewhere) Run() int {
	name := fmt.Sprintf("sluice-faults-%d", os.Getpid())
	if err := ip("netns add " + name); err != nil {
		fmt.Fprintln(os.Stderr, "network namespaces need root and iproute2:", err)
		return 1
	}
	defer ip("netns delete " + name)
	runtime.LockOSThread() // Pdeathsig is about the thread
	cmd := exec.Command("ip", append([]string{"netns", "exec", name}, os.Args...)...)
	cmd.Env = append(os.Environ(), insideKey+"="+name)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	err := ip("-n " + name + " link set lo up")
	if err == nil {
		err = cmd.Run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// ip runs the command of that name.
func ip(command string) error {
	if out, err := exec.Command("ip", strings.Fields(command)...).CombinedOutput(); err != nil {
		return fmt.Errorf("ip %s: %w: %s", command, err, out)
	}
	return nil
}

// cable leads to a machine of its own: a namespace with one address.
type cable struct {
	t            *testing.T
	number       int32
	namespace    string
	server       string // the address at this end
	client, next string // the other end's, and the one that it may get later
	here, there  string // the ends' devices
}

var cables atomic.Int32

// hardware is the address of the other ends' network cards.
const hardware = "02:00:00:00:00:02"

func newCable(t *testing.T) *cable {
	t.Helper()
	n := cables.Add(1)
	c := &cable{
		t: t, number: n, namespace: fmt.Sprintf("%s-%d", os.Getenv(insideKey), n), here: fmt.Sprintf("here%d", n), there: fmt.Sprintf("there%d", n),
		server: fmt.Sprintf("10.9.%d.1", n), client: fmt.Sprintf("10.9.%d.2", n), next: fmt.Sprintf("10.9.%d.3", n),
	}
	c.do("netns add NS")
	t.Cleanup(func() { c.do("netns delete NS") })
	c.do("link add HERE type veth peer name THERE address " + hardware + " netns NS")
	c.do("addr add SERVER/24 dev HERE")
	c.do("link set HERE up")
	c.do("-n NS addr add CLIENT/24 dev THERE")
	c.do("-n NS link set THERE up")
	return c
}

// do runs ip with the words in capitals replaced by what they stand for.
func (c *cable) do(command string) {
	c.t.Helper()
	words := strings.NewReplacer("NS", c.namespace, "HERE", c.here, "THERE", c.there, "SERVER", c.server, "CLIENT", c.client, "NEXT", c.next)
	command = strings.ReplaceAll(command, "THERE", c.there) // HERE is a part of it
	if err := ip(words.Replace(command)); err != nil {
		c.t.Fatal(err)
	}
}

// in is what comes before a command line that is to run at the other end.
func (c *cable) in() []string { return []string{"ip", "netns", "exec", c.namespace} }

// pull takes the cable out of the other machine: the devices on both sides know it, and the routes to it end with time.
func (c *cable) pull() { c.do("-n NS link set THERE down") }

// cut cuts the way somewhere in between: what is sent arrives nowhere, in both directions, and no device knows it.
func (c *cable) cut() {
	c.do("neigh replace CLIENT lladdr 02:00:00:00:00:99 dev HERE nud permanent")
	c.do("-n NS neigh replace SERVER lladdr 02:00:00:00:00:99 dev THERE nud permanent")
}

// forget makes a router forget its connections: what is sent to them goes as far as the other machine and is dropped there without a word. That machine lives, under its next address.
func (c *cable) forget() {
	c.do("neigh replace CLIENT lladdr " + hardware + " dev HERE nud permanent")
	c.do("-n NS addr delete CLIENT/24 dev THERE")
	c.do("-n NS addr add NEXT/24 dev THERE")
}
