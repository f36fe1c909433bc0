package main

import (
	"errors"

	"sluice/cmd/internal/config"
	"sluice/endpoint/server"
)

type checkCommand struct {
	File string `arg:"" help:"The services-config.xml to check."`
}

// Validate is for the parser of the command line.
func (c *checkCommand) Validate() error { return checkFile(c.File) }

// errNothing refuses a configuration that nobody could connect to.
var errNothing = errors.New("nothing to serve: no channel is started here")

// Run prints the report, and fails if the server would not start with the file: it makes one, and opens no address.
func (c *checkCommand) Run(io std) error {
	cfg, report, err := config.Load(c.File, config.Options{})
	if err == nil {
		opts, err := serverOptions(cfg)
		if err != nil {
			report.Refuse(c.File, "password-file", err)
		}
		if err := checkStore(cfg); err != nil {
			report.Refuse(c.File, "data-directory", err)
		}
		if _, err := server.New(opts); err != nil {
			report.Refuse(c.File, "", err)
		}
		if len(cfg.Channels) == 0 {
			report.Refuse(c.File, "", errNothing)
		}
	}
	if err := report.Write(io.out); err != nil {
		return err
	}
	if report.Wrong() {
		return errSilent
	}
	return nil
}
