package server_test

import (
	"encoding/json"
	"fmt"
	"strings"
)

// readYAML reads the part of YAML that docs/openapi.yaml keeps to: block mappings and sequences, and values that are JSON or plain text.
func readYAML(text string) (any, error) {
	var y yaml
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, " \n")
		trimmed := strings.TrimLeft(line, " ")
		if trimmed != "" && trimmed[0] != '#' {
			y.lines = append(y.lines, yamlLine{len(line) - len(trimmed), trimmed})
		}
	}
	v, err := y.block(0)
	if err == nil && len(y.lines) > 0 {
		err = fmt.Errorf("unexpected indentation: %s", y.lines[0].text)
	}
	return v, err
}

type yamlLine struct {
	indent int
	text   string
}

type yaml struct{ lines []yamlLine } // what is left

// block reads the lines at indent.
func (y *yaml) block(indent int) (any, error) {
	if strings.HasPrefix(y.lines[0].text, "- ") {
		return y.sequence(indent)
	}
	mapping := make(map[string]any)
	for len(y.lines) > 0 && y.lines[0].indent == indent {
		line := y.lines[0]
		key, value, ok := strings.Cut(line.text, ":")
		if !ok || value != "" && value[0] != ' ' {
			return nil, fmt.Errorf("expected key: value, found %s", line.text)
		}
		key = strings.Trim(key, `"`)
		if _, twice := mapping[key]; twice {
			return nil, fmt.Errorf("%s is there twice", key)
		}
		y.lines = y.lines[1:]
		var err error
		if value = strings.TrimSpace(value); value != "" {
			mapping[key], err = scalar(value)
		} else if len(y.lines) == 0 || y.lines[0].indent <= indent {
			err = fmt.Errorf("%s has no value", key)
		} else {
			mapping[key], err = y.block(y.lines[0].indent)
		}
		if err != nil {
			return nil, err
		}
	}
	return mapping, nil
}

func (y *yaml) sequence(indent int) (any, error) {
	items := []any{}
	for len(y.lines) > 0 && y.lines[0].indent == indent && strings.HasPrefix(y.lines[0].text, "- ") {
		text := y.lines[0].text[2:]
		var item any
		var err error
		if text[0] == '{' || !strings.Contains(text, ":") {
			y.lines = y.lines[1:]
			item, err = scalar(text)
		} else { // a mapping that begins beside its dash
			y.lines[0] = yamlLine{indent + 2, text}
			item, err = y.block(indent + 2)
		}
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	return items, nil
}

// scalar is JSON, or else plain text.
func scalar(text string) (v any, err error) {
	if json.Unmarshal([]byte(text), &v) == nil {
		return v, nil
	}
	if strings.ContainsAny(text[:1], "{[\"'|>&*!%@`") || strings.Contains(text, ": ") || strings.Contains(text, " #") {
		return nil, fmt.Errorf("neither JSON nor plain text: %s", text)
	}
	return text, nil
}
