package main

import (
	"encoding/json"
	"io"
	"strings"

	"github.com/rs/zerolog"

	"sluice/cmd/internal/config"
)

// logs are the targets of the logging section. All write to one place.
type logs struct{ targets []logTarget }

// logTarget is one of them: a filter by level and category, and a form.
type logTarget struct {
	level    zerolog.Level
	patterns []string
	prefix   string // how a JSON line begins instead of with a brace; a console writer has its own
	out      io.Writer
}

// newLogs makes the targets. Without any there is one for level info.
func newLogs(cfg config.Logging, out io.Writer) *logs {
	list := cfg.Targets
	if len(list) == 0 {
		list = []config.LogTarget{{Level: config.LevelInfo}}
	}
	l, shared := &logs{}, zerolog.SyncWriter(out)
	for _, t := range list {
		target := logTarget{level: level(t.Level), patterns: t.Patterns, out: shared}
		switch {
		case t.Format == "console", t.Format != "json" && terminal(out):
			target.out = zerolog.ConsoleWriter{
				Out: shared, NoColor: !terminal(out), TimeFormat: "15:04:05.000",
				FormatMessage: func(message any) string {
					text, _ := message.(string)
					return t.Prefix + text
				},
			}
		case t.Prefix != "":
			quoted, _ := json.Marshal(t.Prefix) // a text always encodes
			target.prefix = `{"prefix":` + string(quoted) + ","
		}
		l.targets = append(l.targets, target)
	}
	return l
}

func level(l config.Level) zerolog.Level {
	switch l {
	case config.LevelNone:
		return zerolog.Disabled
	case config.LevelError:
		return zerolog.ErrorLevel
	case config.LevelWarn:
		return zerolog.WarnLevel
	case config.LevelDebug:
		return zerolog.DebugLevel
	case config.LevelAll:
		return zerolog.TraceLevel
	default:
		return zerolog.InfoLevel
	}
}

// category returns the logger of one category, with the targets that want it.
func (l *logs) category(name string) zerolog.Logger {
	var writers []io.Writer
	least := zerolog.Disabled
	for _, t := range l.targets {
		if t.wants(name) {
			writers = append(writers, t)
			least = min(least, t.level)
		}
	}
	if least == zerolog.Disabled {
		return zerolog.Nop()
	}
	return zerolog.New(zerolog.MultiLevelWriter(writers...)).Level(least).With().Timestamp().Str("category", name).Logger()
}

// wants matches the category as BlazeDS does: a star at the end of a pattern stands for anything.
func (t logTarget) wants(category string) bool {
	if len(t.patterns) == 0 {
		return true
	}
	for _, p := range t.patterns {
		if start, star := strings.CutSuffix(p, "*"); star && strings.HasPrefix(category, start) || p == category {
			return true
		}
	}
	return false
}

// Write is for zerolog, which calls it for what has no level.
func (t logTarget) Write(line []byte) (int, error) { return t.WriteLevel(zerolog.NoLevel, line) }

// WriteLevel writes one line, a JSON object, if its level is enough.
func (t logTarget) WriteLevel(level zerolog.Level, line []byte) (int, error) {
	if level < t.level {
		return len(line), nil
	}
	out := line
	if t.prefix != "" {
		out = append([]byte(t.prefix), line[1:]...)
	}
	if _, err := t.out.Write(out); err != nil {
		return 0, err
	}
	return len(line), nil
}
