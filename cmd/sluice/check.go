package main

import "sluice/endpoint/server"

type checkCommand struct {
	File string `arg:"" help:"The services-config.xml to check."`
}

// Validate is for the parser of the command line.
func (c *checkCommand) Validate() error { return checkFile(c.File) }

// Run prints the report, and fails if the server would not start with the file: it makes one, and opens no address.
func (c *checkCommand) Run(io std) error {
	p := read(c.File)
	if p.cfg != nil {
		p.checkStore()
		if s, err := server.New(p.opts); err != nil {
			p.refuse("", err)
		} else if err := s.CheckDescriptors(); err != nil {
			p.report.Warn(p.file, err.Error())
		}
	}
	if err := p.report.Write(io.out); err != nil {
		return err
	}
	if p.report.Wrong() {
		return errSilent
	}
	return nil
}
