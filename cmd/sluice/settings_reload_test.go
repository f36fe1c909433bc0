package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"sluice/endpoint/server"
)

// rewrite makes the files of the world other ones.
func (w *world) rewrite(file page) {
	w.t.Helper()
	dir := filepath.Dir(w.path)
	for name, text := range file.and(page{"services-config.xml": file.xml(w.t)}) {
		if !strings.Contains(name, ".") {
			continue
		}
		name = filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o700), os.WriteFile(name, []byte(text), 0o600)); err != nil {
			w.t.Fatal(err)
		}
	}
	w.file = file
}

// TestEverySettingIsReloaded starts with a file, changes each setting that is served, and reloads: what is told to have changed is then seen from outside, and what is told to need a restart is not.
func TestEverySettingIsReloaded(t *testing.T) {
	for _, p := range probes() {
		t.Run(p.setting, func(t *testing.T) {
			t.Parallel()
			see := func(t *testing.T) { p.reload(t) }
			if p.real {
				see(t)
			} else {
				synctest.Test(t, see)
			}
		})
	}
}

// ownServer are the settings whose probes make a server of the file themselves: of the running one they see nothing.
var ownServer = map[string]bool{"flex-client/max-pending-messages": true, "security/session-store": true, "system/data-directory": true}

func (p *probe) reload(t *testing.T) {
	w := start(t, p.common, p.real)
	if w.starts() != starts {
		return // the setting is what lets it start
	}
	w.rewrite(p.with())
	done, err := w.service.reload()
	var bad *server.BadConfiguration
	switch served := w.checked(); {
	case errors.As(err, &bad):
		if served {
			t.Errorf("sluice check takes the file, but: %v", err)
		}
		return
	case err != nil:
		t.Fatal(err)
	case !served:
		t.Fatal("sluice check refuses the file, and it was reloaded")
	}
	var changed, restart []string
	for _, c := range done.Changed {
		changed = append(changed, c.Setting)
	}
	for _, c := range done.NeedsRestart {
		restart = append(restart, c.Setting)
	}
	if ownServer[p.setting] {
		if len(changed) > 0 || len(restart) == 0 {
			t.Errorf("changed %v, restart %v: want that it needs a restart", changed, restart)
		}
		return
	}
	got := p.see(w)
	switch {
	case len(restart) == 0 && got != p.want.with: // it holds, or is nothing but a word
		t.Errorf("changed %v: saw %q, want %q", changed, got, p.want.with)
	case len(changed) == 0 && len(restart) > 0 && got != p.want.without:
		t.Errorf("restart %v: saw %q, want %q", restart, got, p.want.without)
	case got != p.want.with && got != p.want.without: // some of it holds
		t.Errorf("changed %v, restart %v: saw %q, want %q or %q", changed, restart, got, p.want.with, p.want.without)
	}
}
