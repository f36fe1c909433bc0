package main

import (
	"fmt"
	"runtime/debug"
	"strings"
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
	return describe(info)
}

// describe names the version, the commit where the version does not hold it already, and the Go of a build. A build with -buildvcs=false, as
// "go run" is one, knows no commit.
func describe(info *debug.BuildInfo) string {
	text, commit, dirty := info.Main.Version, "", ""
	if text == "" {
		text = "(devel)"
	}
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			commit = s.Value[:min(len(s.Value), 12)]
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = ", modified"
		}
	}
	if commit != "" && !strings.Contains(text, commit) { // a version made up by the go command ends with it
		text += " commit " + commit + dirty
	}
	return text + " " + info.GoVersion
}
