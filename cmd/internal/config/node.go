package config

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Limits on what is read, so that no file can cost more than a moment. They are far above any real configuration.
const (
	maxFileSize  = 4 << 20
	maxTotalSize = 16 << 20
	maxElements  = 50_000
	maxAttrs     = 100
	maxDepth     = 64
	maxIncludes  = 256
	maxChannels  = 1000
	maxServers   = 100
	maxAgents    = 1000
)

// node is one element with its place. Attributes keep their order.
type node struct {
	name   string
	label  string // name, with the id if there is one
	parent *node
	at     pos
	attrs  []xml.Attr
	kids   []*node
	text   string // all character data directly inside, trimmed
}

// attr returns the attribute of that name.
func (n *node) attr(name string) (string, bool) {
	for _, a := range n.attrs {
		if a.Name.Local == name {
			return strings.TrimSpace(a.Value), true
		}
	}
	return "", false
}

// child returns the first child element of that name, or nil.
func (n *node) child(name string) *node {
	if n == nil {
		return nil
	}
	for _, k := range n.kids {
		if k.name == name {
			return k
		}
	}
	return nil
}

// value is the setting of that name: the attribute, or else the child element's text.
func (n *node) value(name string) (string, bool) {
	if v, ok := n.attr(name); ok {
		return v, true
	}
	if k := n.child(name); k != nil {
		return k.text, true
	}
	return "", false
}

// sub is the place of a setting below n.
func (n *node) sub(name string) pos {
	return pos{n.at.file, n.at.line, n, name}
}

// parseTree reads one file into nodes. It refuses DOCTYPE, and with it every entity but the five of XML itself: a configuration file
// must not be able to read other files, nor to grow in memory. elements counts what all files of a configuration have.
func parseTree(file string, data []byte, elements *int) (*node, *Problem) {
	fail := func(line int, format string, args ...any) (*node, *Problem) {
		return nil, &Problem{File: file, Line: line, Severity: Error, Message: fmt.Sprintf(format, args...)}
	}
	if len(data) > maxFileSize {
		return fail(0, "file is larger than %d bytes", maxFileSize)
	}
	dec := xml.NewDecoder(bytes.NewReader(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))))
	dec.CharsetReader = charsetReader
	var root *node
	var open []*node
	var texts []*strings.Builder
	for {
		line, _ := dec.InputPos() // where the token starts, for the text before it has been read
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			var syn *xml.SyntaxError
			if errors.As(err, &syn) {
				return fail(syn.Line, "not well-formed XML: %s", syn.Msg)
			}
			return fail(line, "not well-formed XML: %v", err)
		}
		switch t := tok.(type) {
		case xml.StartElement:
			if root != nil && len(open) == 0 {
				return fail(line, "a second root element <%s>", t.Name.Local)
			}
			if len(open) >= maxDepth {
				return fail(line, "elements are nested deeper than %d", maxDepth)
			}
			if *elements++; *elements > maxElements {
				return fail(line, "more than %d elements", maxElements)
			}
			if len(t.Attr) > maxAttrs {
				return fail(line, "an element with more than %d attributes", maxAttrs)
			}
			n := newNode(file, line, t, open)
			if len(open) == 0 {
				root = n
			}
			open = append(open, n)
			texts = append(texts, &strings.Builder{})
		case xml.EndElement:
			last := len(open) - 1
			open[last].text = strings.TrimSpace(texts[last].String())
			open, texts = open[:last], texts[:last]
		case xml.CharData:
			if len(texts) > 0 {
				texts[len(texts)-1].Write(t)
			}
		case xml.Directive:
			return fail(line, "a document type or entity declaration is not allowed")
		}
	}
	if root == nil {
		return fail(1, "no root element")
	}
	return root, nil
}

// newNode makes the node and hangs it below the innermost open one. xmlns declarations are no settings.
func newNode(file string, line int, t xml.StartElement, open []*node) *node {
	n := &node{name: t.Name.Local, label: shorten(t.Name.Local)}
	n.at = pos{file, line, n, ""}
	for _, a := range t.Attr {
		if a.Name.Space == "xmlns" || a.Name.Local == "xmlns" || strings.Contains(a.Name.Space, "XMLSchema-instance") {
			continue
		}
		n.attrs = append(n.attrs, a)
	}
	if id, ok := n.attr("id"); ok {
		n.label += "[" + shorten(id) + "]"
	}
	if len(open) > 0 {
		n.parent = open[len(open)-1]
		n.parent.kids = append(n.parent.kids, n)
	}
	return n
}

// charsetReader serves the one-byte encodings that old files declare. Everything else must be UTF-8.
func charsetReader(label string, input io.Reader) (io.Reader, error) {
	switch strings.ToLower(label) {
	case "utf-8", "us-ascii", "ascii":
		return input, nil
	case "iso-8859-1", "latin1":
		raw, err := io.ReadAll(input)
		if err != nil {
			return nil, err
		}
		var b strings.Builder
		for _, c := range raw {
			b.WriteRune(rune(c))
		}
		return strings.NewReader(b.String()), nil
	}
	return nil, fmt.Errorf("encoding %q is not known; save the file as UTF-8", label)
}
