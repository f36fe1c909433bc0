//go:build !unix

package bench

// RaiseFileLimit does nothing where there is no such limit.
func RaiseFileLimit() (uint64, error) { return 1 << 20, nil }
