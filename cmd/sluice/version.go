package main

import (
	"fmt"
	"runtime/debug"
)

type versionCommand struct{}

// Run prints the version, the commit it was built from, and the Go it was built with.
func (versionCommand) Run(io std) error {
	_, err := fmt.Fprintln(io.out, "sluice "+version())
	return err
}

// version tells what the build knows of itself.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	text, commit, dirty := info.Main.Version, "", ""
	if text == "" {
		text = "(devel)"
	}
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			commit = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = ", modified"
		}
	}
	if len(commit) > 12 {
		text += " commit " + commit[:12] + dirty
	}
	return text + " " + info.GoVersion
}
