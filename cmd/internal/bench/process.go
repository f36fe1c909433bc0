package bench

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// ticks is how many units of CPU time /proc counts in a second: USER_HZ, which is 100 on every Linux.
const ticks = 100

// residentKB is the memory of a process that is in RAM (VmRSS), in KiB; false where there is no /proc.
func residentKB(pid int) (int, bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			n, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")))
			return n, err == nil
		}
	}
	return 0, false
}

// cpuTime is the user and system time a process has used: utime and stime of proc(5).
func cpuTime(pid int) (time.Duration, bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, false
	}
	// The second field is a name in parentheses that may hold anything; utime and stime are the 14th and 15th.
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if len(fields) < 13 {
		return 0, false
	}
	user, err1 := strconv.Atoi(string(fields[11]))
	system, err2 := strconv.Atoi(string(fields[12]))
	return time.Duration(user+system) * time.Second / ticks, err1 == nil && err2 == nil
}

// settledKB waits until the memory of a process has stopped to change by more than one part in a hundred, at most ten seconds.
func settledKB(stop <-chan struct{}, pid int) (int, bool) {
	last, ok := residentKB(pid)
	if !ok {
		return 0, false
	}
	for calm, tries := 0, 0; calm < 4 && tries < 40; tries++ {
		select {
		case <-stop:
			return last, true
		case <-time.After(250 * time.Millisecond):
		}
		now, ok := residentKB(pid)
		if !ok {
			return 0, false
		}
		if diff := now - last; diff*100 <= last && -diff*100 <= last {
			calm++
		} else {
			calm = 0
		}
		last = now
	}
	return last, true
}
