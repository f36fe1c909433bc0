package main

import (
	"fmt"

	"sluice/cmd/internal/config"
	"sluice/endpoint/server"
)

type checkCommand struct {
	File string `arg:"" type:"existingfile" help:"The services-config.xml to check."`
}

// Run prints the report, and fails if the server would not start with the file: it makes one, and opens no address.
func (c *checkCommand) Run(io std) error {
	cfg, report, err := config.Load(c.File, config.Options{})
	if werr := report.Write(io.out); werr != nil {
		return werr
	}
	if err != nil {
		return errSilent
	}
	opts, err := serverOptions(cfg)
	if err == nil {
		_, err = server.New(opts)
	}
	if err != nil {
		return fmt.Errorf("the configuration cannot be served: %w", err)
	}
	return nil
}
