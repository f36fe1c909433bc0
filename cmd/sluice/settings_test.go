package main

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"sluice/cmd/internal/config"
)

// probe shows that a setting has an effect which can be seen from outside a running server.
type probe struct {
	setting string // its path, as in [config.Setting.Path]; with "@" where it is the shortcut that exists as an attribute only

	common  page // what the file has with the setting and without it
	add     page // what it has for the setting, at a value that is not the default
	instead page // where adding is not enough: what it has in place of common

	real bool                           // on sockets of the machine and by its clock, not in a bubble
	see  func(w *world) string          // what is seen from outside
	want struct{ without, with string } // what see returns at the default, and with the setting; they differ
}

// seen is what a probe wants to see.
func seen(without, with string) struct{ without, with string } {
	return struct{ without, with string }{without, with}
}

// probes are those of all served settings.
func probes() []probe {
	return slices.Concat(serverProbes(), socketProbes(), keepAliveProbes(), channelProbes(), toldProbes(), limitProbes(), failoverProbes(), lifeProbes(), waitingProbes(), timeProbes(), drainProbes(), serviceProbes(), destinationProbes(), historyProbes(), presenceProbes(), throttleProbes(),
		includeProbes(), securityProbes(), loggingProbes(), storeProbes())
}

// TestEverySettingIsHonoured changes every setting that is called served and looks for the change from outside.
func TestEverySettingIsHonoured(t *testing.T) {
	for _, p := range probes() {
		t.Run(p.setting, func(t *testing.T) {
			t.Parallel()
			if p.want.without == p.want.with {
				t.Fatalf("the probe cannot tell the setting from its default")
			}
			for _, run := range []struct {
				name, want string
				page       page
			}{{"without", p.want.without, p.common}, {"with", p.want.with, p.with()}} {
				if got := p.look(t, run.page); got != run.want {
					t.Errorf("%s the setting: saw %q, want %q\n%s", run.name, got, run.want, run.page.xml(t))
				}
			}
		})
	}
}

// with is the file with the setting.
func (p *probe) with() page {
	if p.instead != nil {
		return p.instead
	}
	return p.common.and(p.add)
}

// look starts a server with the file and returns what is seen of it.
func (p *probe) look(t *testing.T, file page) (got string) {
	see := func(t *testing.T) {
		w := start(t, file, p.real)
		if got = w.starts(); got == starts || p.real {
			got = p.see(w)
		}
		if served, checked := w.ran, w.checked(); served != checked {
			t.Errorf("served: %v (%v); sluice check: %v", served, w.err, checked)
		}
	}
	if p.real {
		see(t)
	} else {
		synctest.Test(t, see)
	}
	return got
}

// TestProbesAndTable: a setting that is served has a probe, and a probe is of a setting that is served.
func TestProbesAndTable(t *testing.T) {
	served := map[string]bool{}
	for _, s := range config.Settings() {
		if s.Status != config.Served {
			continue
		}
		path := s.Path()
		if s.AttrOnly {
			path = "@" + path
		}
		served[path] = false
	}
	for _, p := range probes() {
		if _, ok := served[p.setting]; !ok {
			t.Errorf("there is a probe of %s, which is not served", p.setting)
		}
		served[p.setting] = true
	}
	var missing []string
	for path, probed := range served {
		if !probed {
			missing = append(missing, path)
		}
	}
	slices.Sort(missing)
	if len(missing) > 0 {
		t.Errorf("served, and nobody looks whether they are:\n%s", strings.Join(missing, "\n"))
	}
}
