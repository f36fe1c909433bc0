package message

import (
	"bytes"
	"iter"
)

// padding is what means nothing around a line: NUL (heartbeats, padding) and the white space of RFC 8259.
const padding = "\x00 \t\r"

// Lines splits a frame or a body into its lines: LF ends a line, the last one may lack it, empty lines and padding around lines are passed over.
// A line is a part of data, without its LF. One JSON object spread over several lines is several bad lines, not one good one.
func Lines(data []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for len(data) > 0 {
			var line []byte
			line, data, _ = bytes.Cut(data, []byte{'\n'})
			if line = bytes.Trim(line, padding); len(line) > 0 && !yield(line) {
				return
			}
		}
	}
}
