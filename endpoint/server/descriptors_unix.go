//go:build unix

package server

import "syscall"

// descriptorLimit is how many descriptors the process may hold; zero where that is not known. Go raises it to the hard limit when a program starts.
func descriptorLimit() uint64 {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return 0
	}
	return uint64(limit.Cur) // signed on some systems
}
