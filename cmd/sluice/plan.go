package main

import (
	"errors"

	"sluice/cmd/internal/config"
	"sluice/endpoint/server"
)

// errNothing refuses a configuration that nobody could connect to.
var errNothing = errors.New("nothing to serve: no channel is started here")

// plan is what a services-config.xml says, what the server takes of it, and all that keeps it from being served, in the one wording that check, serve and reload share.
type plan struct {
	file   string
	cfg    *config.Config // nil: the file does not load
	opts   server.Options // but for the logs and the store of sessions
	report *config.Report
}

// read reads a file; without a name, the built-in configuration. What it does not look at are the file of sessions ([plan.checkStore], [plan.openStore]) and what
// [server.New] says of the options.
func read(file string) *plan {
	p := &plan{file: file}
	var err error
	if file == "" {
		p.file = "the built-in services-config.xml"
		p.cfg, p.report, err = config.Parse(p.file, config.Default(), config.Options{})
	} else {
		p.cfg, p.report, err = config.Load(file, config.Options{})
	}
	if err != nil {
		return p // the report has it
	}
	if p.opts, err = serverOptions(p.cfg); err != nil {
		p.refuse("password-file", err)
	}
	if len(p.cfg.Channels) == 0 {
		p.refuse("", errNothing)
	}
	return p
}

// refuse adds what is wrong with a setting or, without one, with the file as a whole. It returns what err does.
func (p *plan) refuse(setting string, err error) error {
	p.report.Refuse(p.file, setting, err)
	return p.err()
}

// err is all that is wrong, a line each; nil: nothing.
func (p *plan) err() error { return p.report.Err() }

// warnings are what will not be as the file says.
func (p *plan) warnings() (list []config.Problem) {
	for _, problem := range p.report.Problems {
		if problem.Severity == config.Warning {
			list = append(list, problem)
		}
	}
	return list
}
