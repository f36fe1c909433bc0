package message

import (
	"encoding/json"
	"fmt"
	"strconv"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// AppendString appends s as a JSON string (RFC 8259 section 7) in UTF-8. Bytes that are not UTF-8 become U+FFFD.
func AppendString(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0 // of what is not yet appended
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		size := 1
		if c >= utf8.RuneSelf {
			var r rune
			if r, size = utf8.DecodeRuneInString(s[i:]); r != utf8.RuneError || size > 1 {
				i += size
				continue
			}
		}
		b = append(b, s[start:i]...)
		switch {
		case c >= utf8.RuneSelf:
			b = append(b, "\ufffd"...)
		case c == '"', c == '\\':
			b = append(b, '\\', c)
		case c == '\n':
			b = append(b, `\n`...)
		case c == '\r':
			b = append(b, `\r`...)
		case c == '\t':
			b = append(b, `\t`...)
		default:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		i += size
		start = i
	}
	return append(append(b, s[start:]...), '"')
}

// The helpers below append one member each, with the comma before it: every line begins with its type, so there always is something before.
// Keys are literals of this package and need no escaping.

func appendKey(b []byte, key string) []byte {
	b = append(b, ',', '"')
	b = append(b, key...)
	return append(b, '"', ':')
}

// appendText leaves an empty value out.
func appendText(b []byte, key, value string) []byte {
	if value == "" {
		return b
	}
	return AppendString(appendKey(b, key), value)
}

func appendUint(b []byte, key string, value uint64) []byte {
	return strconv.AppendUint(appendKey(b, key), value, 10)
}

func appendInt(b []byte, key string, value int) []byte {
	return strconv.AppendInt(appendKey(b, key), int64(value), 10)
}

// appendRaw leaves an empty value out; value is valid JSON in one line.
func appendRaw(b []byte, key string, value []byte) []byte {
	if len(value) == 0 {
		return b
	}
	return append(appendKey(b, key), value...)
}

// appendValue appends what a setting is set to and leaves nil out. Only an unusual type costs reflection.
func appendValue(b []byte, key string, value any) []byte {
	switch v := value.(type) {
	case nil:
		return b
	case string:
		return AppendString(appendKey(b, key), v)
	case int:
		return appendInt(b, key, v)
	case bool:
		return strconv.AppendBool(appendKey(b, key), v)
	}
	text, err := json.Marshal(value)
	if err != nil {
		return AppendString(appendKey(b, key), fmt.Sprint(value))
	}
	return append(appendKey(b, key), text...)
}

func appendEnd(b []byte) []byte { return append(b, '}', '\n') }
