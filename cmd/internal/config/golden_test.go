package config

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files and docs/settings.md anew")

// env is what tokens find in these tests.
func env(name string) (string, bool) {
	v, ok := map[string]string{"PUBLIC_HOST": "example.com", "API_PORT": "8090", "API_KEY": "0123456789abcdef"}[name]
	return v, ok
}

// TestGolden loads every file of testdata and compares all that is told about it. Files that begin with ok- must load, and what they
// load is compared, too; the others are named after what is wrong or odd about them.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.xml")
	if err != nil || len(files) < 50 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		name := filepath.Base(file)
		t.Run(strings.TrimSuffix(name, ".xml"), func(t *testing.T) {
			cfg, rep, err := LoadFS(os.DirFS("testdata"), name, Options{LookupEnv: env})
			if (err != nil) != rep.Wrong() || (cfg == nil) != rep.Wrong() {
				t.Errorf("config %v, error %v, but wrong is %v", cfg, err, rep.Wrong())
			}
			var got bytes.Buffer
			if err := rep.Write(&got); err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(name, "ok-") {
				if err != nil {
					t.Fatal(err)
				}
				enc := json.NewEncoder(&got)
				enc.SetIndent("", " ")
				if err := enc.Encode(cfg); err != nil {
					t.Fatal(err)
				}
			}
			compare(t, strings.TrimSuffix(file, ".xml")+".golden", got.Bytes())
		})
	}
}

func compare(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; if that is right, run the test with -update\ngot:\n%s", file, got)
	}
}
