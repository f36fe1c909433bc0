package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"github.com/alecthomas/kong"
	"golang.org/x/term"
)

// std is what a command reads and writes, and how it hears of a second signal; the first one ends its context.
type std struct {
	in       io.Reader
	out, err io.Writer
	atOnce   <-chan struct{} // closed when it is to end without waiting for anybody; nil: never
}

// terminal tells whether w is one.
func terminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// commands is the command line.
type commands struct {
	Serve     serveCommand     `cmd:"" default:"withargs" help:"Run the server. This is what sluice does without a command."`
	Check     checkCommand     `cmd:"" help:"Say what a services-config.xml means to this server: what is honoured, ignored and why, and wrong."`
	Publish   publishCommand   `cmd:"" help:"Publish messages to a destination."`
	Subscribe subscribeCommand `cmd:"" help:"Print the messages of a destination, one JSON line each."`
	Bench     benchCommand     `cmd:"" help:"Put a server under load and measure it, and check that nothing is lost, doubled or out of order."`
	Password  passwordCommand  `cmd:"" help:"Read a password and print a line for the password-file of services-config.xml."`
	Version   versionCommand   `cmd:"" help:"Print the version."`
}

// errSilent makes run exit with 1 without another word: what is wrong has been printed.
var errSilent = errors.New("told already")

// errNoVerdict does the same with 3: the run proves nothing, and another one might.
var errNoVerdict = errors.New("no verdict")

// missingValue is how the parser says that nothing stands behind a flag.
var missingValue = regexp.MustCompile(`(--[a-z-]+): expected .* value but got "EOL".*`)

// run parses the arguments, runs the command and returns the exit code.
func run(ctx context.Context, args []string, io std) int {
	var cli commands
	exited := -1 // --help wants to exit
	parser, err := kong.New(&cli,
		kong.Name("sluice"),
		kong.Description("A real-time messaging server: WebSocket, HTTP streaming and long-poll, under sessions."),
		kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Writers(io.out, io.err),
		kong.Exit(func(code int) { exited = max(exited, code) }),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(io),
	)
	if err != nil {
		panic(err) // the struct above is wrong
	}
	parsed, err := parser.Parse(args)
	if exited >= 0 {
		return exited
	}
	if err != nil {
		command := "sluice"
		if wrong := new(kong.ParseError); errors.As(err, &wrong) && wrong.Context != nil && wrong.Context.Command() != "" {
			command += " " + strings.Fields(wrong.Context.Command())[0]
		}
		text := missingValue.ReplaceAllString(strings.ReplaceAll(err.Error(), "\n", "; "), "$1: expected a value")
		fmt.Fprintf(io.err, "sluice: %s\n\"%s --help\" tells how it is used.\n", text, command)
		return 2
	}
	switch err := parsed.Run(); {
	case err == nil:
		return 0
	case errors.Is(err, errSilent):
		return 1
	case errors.Is(err, errNoVerdict):
		return 3
	default:
		fmt.Fprintf(io.err, "sluice: %v\n", err)
		return 1
	}
}
