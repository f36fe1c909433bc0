package main

import (
	"fmt"

	"github.com/rs/zerolog"

	"sluice/cmd/internal/config"
	"sluice/flexsession/filestore"
)

// openStore opens the file of sessions where the configuration asks for one; nil: they are kept in memory. The caller closes it, after the server has ended.
func (p *plan) openStore(log zerolog.Logger) (*filestore.Store, error) {
	if p.cfg.Security.SessionStore != config.StoreFile {
		return nil, nil
	}
	store, err := filestore.Open(p.cfg.System.DataDirectory, filestore.Options{Logger: log})
	if err != nil {
		return nil, p.unkept(err)
	}
	return store, nil
}

// checkStore refuses what would keep openStore from opening it, and makes nothing.
func (p *plan) checkStore() {
	if p.cfg.Security.SessionStore != config.StoreFile {
		return
	}
	if err := filestore.Check(p.cfg.System.DataDirectory); err != nil {
		p.unkept(err)
	}
}

func (p *plan) unkept(err error) error {
	return p.refuse("data-directory", fmt.Errorf("HTTP sessions cannot be kept in %s: %w", p.cfg.System.DataDirectory, err))
}
