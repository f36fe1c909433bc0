//go:build unix

package bench

import "syscall"

// RaiseFileLimit lets this process, and those it starts, have as many descriptors as the hard limit allows. It returns how many that is.
func RaiseFileLimit() (uint64, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, err
	}
	limit.Cur = limit.Max
	return uint64(limit.Cur), syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
}
