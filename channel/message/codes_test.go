package message

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The constants are written by hand so that editors and godoc know them; this holds them to the table.
func TestConstantsAreTheTable(t *testing.T) {
	want := map[string]int{}
	for _, info := range Codes() {
		name := "Code"
		for part := range strings.SplitSeq(info.Name, "-") {
			name += strings.ToUpper(part[:1]) + part[1:]
		}
		want[name] = int(info.Code)
	}
	got := constants(t, "codes.go")
	for name, code := range want {
		if got[name] != code {
			t.Errorf("%s = %d, the table says %d", name, got[name], code)
		}
	}
	for name, code := range got {
		if want[name] != code {
			t.Errorf("%s = %d is not in the table", name, code)
		}
	}
}

// constants reads the constants of type Code out of a source file.
func constants(t *testing.T, file string) map[string]int {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]int{}
	ast.Inspect(parsed, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		typ, _ := spec.Type.(*ast.Ident)
		literal, _ := spec.Values[0].(*ast.BasicLit)
		if typ == nil || typ.Name != "Code" || literal == nil {
			return true
		}
		found[spec.Names[0].Name], err = strconv.Atoi(literal.Value)
		if err != nil {
			t.Fatal(err)
		}
		return true
	})
	return found
}

func TestRowsAreComplete(t *testing.T) {
	var raw []map[string]any
	if err := json.Unmarshal(codesJSON, &raw); err != nil {
		t.Fatal(err)
	}
	if len(raw) != len(Codes()) {
		t.Fatalf("%d rows became %d", len(raw), len(Codes()))
	}
	names := map[string]bool{}
	for _, info := range Codes() {
		if names[info.Name] || info.Code.Info().Name != info.Name {
			t.Errorf("%d %s is there twice", info.Code, info.Name)
		}
		names[info.Name] = true
		if info.Code < 4000 || info.Code > 4999 {
			t.Errorf("%s: %d is outside 4000-4999", info.Name, info.Code)
		}
		if !strings.HasSuffix(info.Sentence, ".") {
			t.Errorf("%s: no sentence", info.Name)
		}
		switch info.Reconnect {
		case "yes", "no":
		case "after":
			if info.RetryAfterMillis <= 0 {
				t.Errorf("%s: come back after what?", info.Name)
			}
		default:
			t.Errorf("%s: reconnect %q", info.Name, info.Reconnect)
		}
		if !slices.Contains([]string{"left", "timeout", "shutdown", "vanished", "away", "removed", "refused"}, info.Kind) {
			t.Errorf("%s: kind %q", info.Name, info.Kind)
		}
		if info.Over && (info.Code >= firstRefusal || info.Client) {
			t.Errorf("%s: ends clients, and the server does not send it as an end", info.Name)
		}
		if refusal := info.Code >= firstRefusal; refusal != (info.FaultCode != "") || refusal != (info.HTTPStatus != 0) {
			t.Errorf("%s: a refusal, and only a refusal, has a fault code and an HTTP status", info.Name)
		}
		// RFC 6455 section 5.5: a control frame holds 125 bytes, two of them the code.
		if len(info.Name) > 123 {
			t.Errorf("%s is too long for a close frame", info.Name)
		}
	}
}

func TestUnknownCode(t *testing.T) {
	if got := Code(1).Info().Code; got != CodeInternal {
		t.Errorf("Info of an unknown code is that of %v", got)
	}
	if got := Code(1).String(); got != "code 1" {
		t.Errorf("String of an unknown code: %q", got)
	}
	if got := CodeSlowConsumer.String(); got != "slow-consumer" {
		t.Errorf("String: %q", got)
	}
}

func TestCodesIsACopy(t *testing.T) {
	Codes()[0].Name = "changed"
	if Codes()[0].Name == "changed" {
		t.Error("Codes hands out the table itself")
	}
}
