package main

import (
	"encoding/json"
	"io"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/rs/zerolog"

	"sluice/cmd/internal/config"
)

// logs are the targets of the logging section. All write to one place. The loggers they have given go by other targets when those are replaced. Safe for concurrent use.
type logs struct {
	out    io.Writer
	shared io.Writer // out, a line at a time

	mu         sync.Mutex // guards the following
	targets    []logTarget
	categories map[string]*category // every one that was asked for
}

// category is one category, and where its lines go.
type category struct {
	name string
	now  atomic.Pointer[wanted]
}

// wanted are the targets that want a category, and the least level of theirs.
type wanted struct {
	targets []logTarget
	least   zerolog.Level
}

// logTarget is one of them: a filter by level and category, and a form.
type logTarget struct {
	level    zerolog.Level
	patterns []string
	prefix   string // how a JSON line begins instead of with a brace; a console writer has its own
	out      io.Writer
}

// newLogs makes the targets. Without any there is one for level info.
func newLogs(cfg config.Logging, out io.Writer) *logs {
	l := &logs{out: out, shared: zerolog.SyncWriter(out), categories: map[string]*category{}}
	l.replace(cfg)
	return l
}

// replace makes other targets of the section, for all loggers.
func (l *logs) replace(cfg config.Logging) {
	targets := l.make(cfg)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.targets = targets
	for _, c := range l.categories {
		c.ask(targets)
	}
}

func (l *logs) make(cfg config.Logging) (targets []logTarget) {
	list := cfg.Targets
	if len(list) == 0 {
		list = []config.LogTarget{{Level: config.LevelInfo}}
	}
	for _, t := range list {
		target := logTarget{level: level(t.Level), patterns: t.Patterns, out: l.shared}
		switch {
		case t.Format == "console", t.Format != "json" && terminal(l.out):
			target.out = zerolog.ConsoleWriter{
				Out: l.shared, NoColor: !terminal(l.out), TimeFormat: "15:04:05.000",
				FormatMessage: func(message any) string {
					text, _ := message.(string)
					return t.Prefix + text
				},
			}
		case t.Prefix != "":
			quoted, _ := json.Marshal(t.Prefix) // a text always encodes
			target.prefix = `{"prefix":` + string(quoted) + ","
		}
		targets = append(targets, target)
	}
	return targets
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

// category returns the logger of one category, which writes to the targets that want it.
func (l *logs) category(name string) zerolog.Logger {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.categories[name]
	if c == nil {
		c = &category{name: name}
		c.ask(l.targets)
		l.categories[name] = c
	}
	return zerolog.New(c).Sample(c).With().Timestamp().Str("category", name).Logger()
}

// ask finds the targets that want the category.
func (c *category) ask(targets []logTarget) {
	w := &wanted{least: zerolog.Disabled}
	for _, t := range targets {
		if t.wants(c.name) {
			w.targets = append(w.targets, t)
			w.least = min(w.least, t.level)
		}
	}
	c.now.Store(w)
}

// Sample implements zerolog.Sampler, which asks before it makes a line: is it of a level that a target wants?
func (c *category) Sample(level zerolog.Level) bool { return level >= c.now.Load().least }

// Write is for zerolog, which calls it for what has no level.
func (c *category) Write(line []byte) (int, error) { return c.WriteLevel(zerolog.NoLevel, line) }

// WriteLevel writes one line to the targets that want it.
func (c *category) WriteLevel(level zerolog.Level, line []byte) (int, error) {
	for _, t := range c.now.Load().targets {
		if _, err := t.WriteLevel(level, line); err != nil {
			return 0, err
		}
	}
	return len(line), nil
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
