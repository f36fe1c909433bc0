//go:build !unix

package server

import "errors"

// WaitReadable cannot wait without a buffer here; an idle connection holds one.
func (c *countedConn) WaitReadable() error { return errors.ErrUnsupported }
