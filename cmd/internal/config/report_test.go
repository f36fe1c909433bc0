package config

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The numbers of the last line are those of the lines above it, whatever the file. Once what is ignored was counted among the warnings, too.
func TestCounts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.golden")
	if err != nil || len(files) < 50 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	one := regexp.MustCompile(" 1 (notice|warning|error)s")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		section, counts := "", map[string]int{}
		for line := range strings.Lines(string(text)) {
			line = strings.TrimSuffix(line, "\n")
			if !strings.HasPrefix(line, "  ") && strings.Contains(line, " honoured, ") {
				want := fmt.Sprintf("%d honoured, %d ignored, %d notices, %d warnings, %d errors",
					counts["honoured"], counts["ignored"], counts["(notice)"], counts["(warning)"], counts["wrong"])
				want = one.ReplaceAllString(want, " 1 $1")
				if !strings.HasPrefix(line, want) || (counts["wrong"] > 0) != strings.Contains(line, "; wrong: ") {
					t.Errorf("%s: got %q, counted %q", file, line, want)
				}
				break
			}
			if !strings.HasPrefix(line, "  ") {
				section = line
				continue
			}
			counts[section]++
			counts[line[strings.LastIndexByte(line, ' ')+1:]]++
		}
	}
}

// What the server refuses of a file that loads stands among the rest of what is wrong, at the setting, which is then not honoured.
func TestRefuse(t *testing.T) {
	_, rep, err := LoadFS(os.DirFS("testdata"), "ok-security.xml", Options{LookupEnv: env})
	if err != nil {
		t.Fatal(err)
	}
	honoured := len(rep.Honoured)
	rep.Refuse("ok-security.xml", "password-file", errors.Join(errors.New("passwords:1: bad"), errors.New("passwords:2: worse")))
	rep.Refuse("ok-security.xml", "", errors.New("nothing to serve"))
	var out bytes.Buffer
	if err := rep.Write(&out); err != nil {
		t.Fatal(err)
	}
	if !rep.Wrong() || rep.Count(Error) != 3 || len(rep.Honoured) != honoured-1 || rep.Problems[len(rep.Problems)-2].Line == 0 ||
		!strings.HasPrefix(out.String(), "wrong\n") || !strings.Contains(out.String(), "password-file: passwords:2: worse\n") ||
		!strings.Contains(out.String(), "  ok-security.xml: nothing to serve\n") ||
		!strings.HasSuffix(out.String(), "; wrong: ok-security.xml:2, ok-security.xml\n") {
		t.Errorf("%d honoured, once %d\n%s", len(rep.Honoured), honoured, &out)
	}
	for range 2 * maxProblems {
		rep.Refuse("x", "", errors.New("too much"))
	}
	if len(rep.Problems) > maxProblems+1 {
		t.Errorf("%d problems", len(rep.Problems))
	}
}
