//go:build !unix

package server

// descriptorLimit is not known.
func descriptorLimit() uint64 { return 0 }
