package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strings"
)

// source is where files come from: the machine's file system, or an fs.FS.
type source interface {
	open(name string) (fs.File, error)
	list(dir string) ([]fs.DirEntry, error)
	beside(file, rel string) string // rel as seen from the directory of file
}

type osSource struct{}

func (osSource) open(name string) (fs.File, error)      { return os.Open(name) }
func (osSource) list(dir string) ([]fs.DirEntry, error) { return os.ReadDir(dir) }
func (osSource) beside(file, rel string) string {
	rel = filepath.FromSlash(rel)
	if filepath.IsAbs(rel) {
		return rel
	}
	return filepath.Join(filepath.Dir(file), rel)
}

type fsSource struct{ fs.FS }

func (s fsSource) open(name string) (fs.File, error)      { return s.Open(name) }
func (s fsSource) list(dir string) ([]fs.DirEntry, error) { return fs.ReadDir(s.FS, dir) }
func (s fsSource) beside(file, rel string) string         { return path.Join(path.Dir(file), rel) }

// memSource is a single file; nothing stands beside it.
type memSource struct {
	name string
	data []byte
}

func (s memSource) open(name string) (fs.File, error) {
	if name != s.name {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &memFile{Reader: bytes.NewReader(s.data)}, nil
}
func (s memSource) list(dir string) ([]fs.DirEntry, error) {
	return nil, &fs.PathError{Op: "open", Path: dir, Err: fs.ErrNotExist}
}
func (s memSource) beside(_, rel string) string { return rel }

type memFile struct{ *bytes.Reader }

func (*memFile) Close() error               { return nil }
func (*memFile) Stat() (fs.FileInfo, error) { return nil, fs.ErrInvalid }

// readFile reads at most one byte more than a file may have; parseTree refuses it then.
func readFile(src source, name string) ([]byte, error) {
	f, err := src.open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxFileSize+1))
}

// readable says why a file that is only named here cannot be read later.
func readable(src source, name string) error {
	f, err := src.open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.IsDir() {
		return fmt.Errorf("%s is a directory", name)
	}
	return nil
}

// cause is the part of a file error that is not the name, which the problem tells already.
func cause(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}

// tree reads and parses one file; nil after a problem.
func (l *loader) tree(name string, from pos) *node {
	data, err := readFile(l.src, name)
	if err != nil {
		l.rep.add(from, Problem{Severity: Error, Message: "cannot read the file: " + cause(err), Found: name})
		return nil
	}
	if l.total += len(data); l.total > maxTotalSize {
		l.rep.errorf(from, "the files are together larger than %d bytes", maxTotalSize)
		return nil
	}
	n, p := parseTree(name, data, &l.elements)
	if p != nil {
		l.rep.Problems = append(l.rep.Problems, *p)
		return nil
	}
	return n
}

// items returns the elements named one below parent, those of included files in their place. The root of an included
// file is either one such element or many of them below the element named many.
func (l *loader) items(parent *node, many, one string) []*node {
	if parent == nil {
		return nil
	}
	include := strings.TrimSuffix(one, "-definition") + "-include"
	var out []*node
	for _, k := range parent.kids {
		switch k.name {
		case one:
			out = append(out, k)
		case include:
			for _, file := range l.included(k) {
				out = append(out, l.includeFile(k, file, many, one)...)
			}
		}
	}
	return out
}

// includeFile reads one file for items.
func (l *loader) includeFile(from *node, file, many, one string) []*node {
	if l.includes++; l.includes > maxIncludes {
		if l.includes == maxIncludes+1 {
			l.rep.errorf(from.at, "more than %d files are included", maxIncludes)
		}
		return nil
	}
	if l.open[file] {
		l.rep.errorf(from.at, "%s includes itself", file)
		return nil
	}
	root := l.tree(file, from.at)
	switch {
	case root == nil:
		return nil
	case root.name == one:
		return []*node{root}
	case root.name != many:
		l.rep.add(root.at, Problem{Severity: Error, Message: "wrong root element of an included file", Found: root.name, Expected: many + " or " + one})
		return nil
	}
	l.open[file] = true
	defer delete(l.open, file)
	if el := l.schema.many[many]; el != nil {
		l.collect(root, el, l.document)
	}
	return l.items(root, many, one)
}

// included resolves file-path and directory-path of an include element.
func (l *loader) included(n *node) []string {
	file, isFile := n.value("file-path")
	dir, isDir := n.value("directory-path")
	told := len(l.rep.Problems) // collect tells of bad tokens
	file, _ = l.expand(n.at, file, false)
	dir, _ = l.expand(n.at, dir, false)
	l.rep.Problems = l.rep.Problems[:told]
	switch {
	case isFile && file != "":
		return []string{l.src.beside(n.at.file, file)}
	case !isDir || dir == "":
		l.rep.add(n.at, Problem{Severity: Error, Message: "nothing to include", Expected: "file-path or directory-path"})
		return nil
	}
	dir = l.src.beside(n.at.file, dir)
	entries, err := l.src.list(dir)
	if err != nil {
		l.rep.add(n.sub("directory-path"), Problem{Severity: Error, Message: "cannot read the directory: " + cause(err), Found: dir})
		return nil
	}
	var out []string
	for _, e := range entries {
		if !e.IsDir() && strings.EqualFold(path.Ext(e.Name()), ".xml") {
			out = append(out, l.src.beside(dir+"/x", e.Name()))
		}
	}
	sort.Strings(out)
	return out
}
