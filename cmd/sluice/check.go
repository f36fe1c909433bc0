package main

import (
	"fmt"

	"sluice/cmd/internal/config"
	"sluice/flexsession"
)

type checkCommand struct {
	File string `arg:"" type:"existingfile" help:"The services-config.xml to check."`
}

// Run prints the report, and fails if the server would not start with the file.
func (c *checkCommand) Run(io std) error {
	cfg, report, err := config.Load(c.File, config.Options{})
	if werr := report.Write(io.out); werr != nil {
		return werr
	}
	if err != nil {
		return errSilent
	}
	if cfg.Security.PasswordFile != "" {
		if _, err := flexsession.LoadPasswords(cfg.Security.PasswordFile); err != nil {
			return fmt.Errorf("password-file: %w", err)
		}
	}
	return nil
}
