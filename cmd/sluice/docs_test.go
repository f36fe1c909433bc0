package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// snippets cuts the Go out of a page.
var snippets = regexp.MustCompile("(?s)```go\n(.*?)```")

// around is what stands around the parts of functions on the pages.
const around = `package main

import (
	"context"
	"fmt"

	"github.com/rs/zerolog"

	"sluice/channel/client"
	"sluice/endpoint/server"
	"sluice/flexsession/filestore"
)

var (
	_ = fmt.Sprint
	_ client.Options
	_ server.Options
	_ filestore.Options
)

func main() {}
`

// The Go on the pages compiles: whole programs, and parts of functions, in which "…" stands for what is up to the reader. What begins with the name of a package are declarations as they stand there.
func TestGoOnThePages(t *testing.T) {
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	parts, found := around, 0
	for _, page := range append(pages, "../../README.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range snippets.FindAllStringSubmatch(string(text), -1) {
			found++
			switch code := match[1]; {
			case strings.HasPrefix(code, "package "):
				compile(t, page, code)
			case strings.HasPrefix(code, "// "):
				declared(t, page, code)
			default:
				code = strings.NewReplacer("{ … }", "{ return err }", ", …}", "}").Replace(code)
				parts += fmt.Sprintf("\n// %s\nfunc part%d(ctx context.Context, log zerolog.Logger) error {\n%sreturn nil\n}\n", page, found, code)
			}
		}
	}
	compile(t, "the parts of functions", parts)
	if found < 7 {
		t.Errorf("only %d found", found)
	}
}

// compile compiles a file.
func compile(t *testing.T, what, code string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "main.go")
	if err := os.WriteFile(file, []byte(code), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", os.DevNull, file).CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s", what, err, out)
	}
}

// declared looks whether each line stands in the package that the last comment names.
func declared(t *testing.T, page, code string) {
	t.Helper()
	source := ""
	for line := range strings.Lines(code) {
		line = strings.TrimSuffix(line, "\n")
		if name, ok := strings.CutPrefix(line, "// "); ok {
			source = "\n"
			files, _ := filepath.Glob("../../" + name + "/*.go") // the pattern is a good one
			for _, file := range files {
				text, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				source += string(text) + "\n"
			}
			continue
		}
		if !strings.Contains(source, "\n"+line+"\n") && !strings.Contains(source, "\n"+line+" {") {
			t.Errorf("%s: not so in the source: %s", page, line)
		}
	}
}
