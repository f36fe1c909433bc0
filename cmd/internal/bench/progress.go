package bench

import (
	"fmt"
	"io"
	"strings"
	"time"
)

const barWidth = 30

// progress draws a bar for the load.
func (l *load) progress(what string, state func() (part float64, text string)) (stop func()) {
	return progress(l.opts.Progress, what, state)
}

// progress draws a bar on w a few times a second, until the returned function is called, which wipes it out. Without a terminal, nil, nothing is drawn.
func progress(w io.Writer, what string, state func() (part float64, text string)) (stop func()) {
	if w == nil {
		return func() {}
	}
	done, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		every := time.NewTicker(200 * time.Millisecond)
		defer every.Stop()
		for {
			select {
			case <-done:
				fmt.Fprint(w, "\r\x1b[K")
				return
			case <-every.C:
				part, text := state()
				fmt.Fprintf(w, "\r\x1b[K%s", bar(what, part, text))
			}
		}
	}()
	stopped := false
	return func() {
		if !stopped {
			stopped = true
			close(done)
			<-gone
		}
	}
}

func bar(what string, part float64, text string) string {
	part = min(max(part, 0), 1)
	full := int(part * barWidth)
	return fmt.Sprintf("%s [%s%s] %3.0f%%  %s", what, strings.Repeat("#", full), strings.Repeat("-", barWidth-full), part*100, text)
}
