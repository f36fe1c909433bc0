package main

import (
	"fmt"

	"github.com/rs/zerolog"

	"sluice/cmd/internal/config"
	"sluice/flexsession/filestore"
)

// openStore opens the file of sessions where the configuration asks for one; nil: they are kept in memory. The caller closes it, after the server has ended.
func openStore(cfg *config.Config, log zerolog.Logger) (*filestore.Store, error) {
	if cfg.Security.SessionStore != config.StoreFile {
		return nil, nil
	}
	store, err := filestore.Open(cfg.System.DataDirectory, filestore.Options{Logger: log})
	return store, unkept(cfg, err)
}

// checkStore says what would keep openStore from opening it, and makes nothing.
func checkStore(cfg *config.Config) error {
	if cfg.Security.SessionStore != config.StoreFile {
		return nil
	}
	return unkept(cfg, filestore.Check(cfg.System.DataDirectory))
}

func unkept(cfg *config.Config, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("data-directory: HTTP sessions cannot be kept in %s: %w", cfg.System.DataDirectory, err)
}
