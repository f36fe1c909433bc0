package main

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"sluice/cmd/internal/config"
	"sluice/endpoint/server"
)

// hangup reloads the configuration because of a signal. What has become of it is in the log.
func (v *service) hangup() {
	if v.path == "" {
		log := v.log.category("Startup")
		log.Warn().Msg("there is no file to be read again: the built-in configuration is served")
		return
	}
	v.reload() // has logged its error
}

// reload reads the file again and makes the server go by it. With any mistake nothing changes; the error is then a [server.BadConfiguration] with the mistakes as "sluice check" words them.
// What has become of it is in the log.
func (v *service) reload() (*server.Reloaded, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	log := v.log.category("Startup")
	done, err := v.again()
	var bad *server.BadConfiguration
	switch {
	case errors.As(err, &bad):
		for _, p := range bad.Problems {
			log.Error().Str("file", v.path).Msg(p)
		}
		log.Error().Str("file", v.path).Int("mistakes", len(bad.Problems)).Msg("the configuration was not reloaded: nothing has changed")
		return nil, err
	case err != nil:
		log.Error().Err(err).Str("file", v.path).Msg("the configuration was not reloaded: nothing has changed")
		return nil, err
	}
	for _, c := range done.Changed {
		log.Info().Str("setting", c.Setting).Interface("old", c.Old).Interface("new", c.New).Int("sessions", c.Sessions).Int("clients", c.Clients).Msg("changed")
	}
	for _, c := range done.NeedsRestart {
		log.Warn().Str("setting", c.Setting).Interface("old", c.Old).Interface("new", c.New).Int("sessions", c.Sessions).Int("clients", c.Clients).Msg("needs a restart, and is as it was")
	}
	log.Info().Str("file", v.path).Int("changed", len(done.Changed)).Int("needs-restart", len(done.NeedsRestart)).Int("sessions", done.Sessions).Int("clients", done.Clients).Msg("the configuration was reloaded")
	return done, nil
}

// again is reload without a word but for warnings. The caller holds v.mu.
func (v *service) again() (*server.Reloaded, error) {
	p := read(v.path)
	if p.cfg == nil {
		return nil, mistakes(p.report)
	}
	if stored(p.cfg) != stored(v.cfg) { // else it is open here
		p.checkStore()
	}
	if err := v.adjust(p.opts.Listeners); err != nil {
		p.refuse("", err)
	}
	if p.report.Wrong() {
		return nil, mistakes(p.report)
	}
	done, err := v.server.Reload(p.opts)
	if bad := new(server.BadConfiguration); errors.As(err, &bad) {
		p.refuse("", err)
		return nil, mistakes(p.report)
	}
	if err != nil {
		return nil, err
	}
	if err := v.server.CheckDescriptors(); err != nil {
		p.report.Warn(p.file, err.Error())
	}
	log := v.log.category("Startup")
	for _, w := range p.warnings() {
		log.Warn().Str("file", v.path).Msg(w.Error())
	}
	v.compare(done, p.cfg)
	v.log.replace(p.cfg.Logging)
	v.cfg = p.cfg
	return done, nil
}

// mistakes are what refuses a file.
func mistakes(report *config.Report) error {
	bad := &server.BadConfiguration{}
	for _, p := range report.Problems {
		if p.Severity == config.Error {
			bad.Problems = append(bad.Problems, p.Error())
		}
	}
	return bad
}

// stored is where HTTP sessions are kept.
func stored(cfg *config.Config) [2]string {
	return [2]string{string(cfg.Security.SessionStore), cfg.System.DataDirectory}
}

// compare adds to done what is not in the server's options, and leaves in cfg what holds on until a restart.
func (v *service) compare(done *server.Reloaded, cfg *config.Config) {
	held := v.cfg
	restart := func(setting string, old, now any) {
		if old != now {
			done.NeedsRestart = append(done.NeedsRestart, server.Change{Setting: setting, Old: old, New: now})
		}
	}
	restart("flex-client/max-pending-messages", held.FlexClient.MaxPendingMessages, cfg.FlexClient.MaxPendingMessages)
	restart("security/session-store", string(held.Security.SessionStore), string(cfg.Security.SessionStore))
	restart("system/data-directory", held.System.DataDirectory, cfg.System.DataDirectory)
	cfg.FlexClient.MaxPendingMessages, cfg.Security.SessionStore, cfg.System = held.FlexClient.MaxPendingMessages, held.Security.SessionStore, held.System

	for _, old := range held.Servers {
		for _, now := range cfg.Servers {
			if now.ID == old.ID && now.ShutdownTimeout != old.ShutdownTimeout {
				done.Changed = append(done.Changed, server.Change{Setting: fmt.Sprintf("servers/server[%s]/properties/shutdown-timeout-millis", now.ID),
					Old: old.ShutdownTimeout.Milliseconds(), New: now.ShutdownTimeout.Milliseconds()})
			}
		}
	}
	if !reflect.DeepEqual(held.Logging, cfg.Logging) {
		done.Changed = append(done.Changed, server.Change{Setting: "logging/target", Old: targets(held.Logging), New: targets(cfg.Logging)})
	}
}

// targets tells the targets of a logging section in a few words each.
func targets(l config.Logging) []string {
	all := []string{}
	for _, t := range l.Targets {
		words := []string{string(t.Level), t.Format}
		if t.Prefix != "" {
			words = append(words, fmt.Sprintf("prefix %q", t.Prefix))
		}
		all = append(all, strings.Join(append(words, t.Patterns...), " "))
	}
	return all
}
