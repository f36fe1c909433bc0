package config

import (
	_ "embed"
	"slices"
)

// The file belongs at the top of the module, which embedding cannot reach; a test keeps the two copies alike.
//
//go:embed services-config.xml
var shipped []byte

// Default is the services-config.xml that the server is shipped with. The caller owns the slice.
func Default() []byte { return slices.Clone(shipped) }
