package server_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"sluice/channel/message"
)

var update = flag.Bool("update", false, "write the generated parts of docs/ anew")

// The tables of codes in docs/protocol.md are the ones of channel/message/codes.json.
func TestCodesTable(t *testing.T) {
	text, err := os.ReadFile(protocolDocument)
	if err != nil {
		t.Fatal(err)
	}
	const opening, closing = "<!-- codes: ", "<!-- /codes -->"
	before, rest, found := strings.Cut(string(text), opening)
	how, rest, more := strings.Cut(rest, "\n")
	table, after, ends := strings.Cut(rest, closing)
	if !found || !more || !ends {
		t.Fatalf("%s has no place between %q and %q", protocolDocument, opening, closing)
	}
	want := codesTables()
	if table == want {
		return
	}
	if !*update {
		t.Fatalf("the tables of codes in %s are not those of codes.json; run this test with -update", protocolDocument)
	}
	if err := os.WriteFile(protocolDocument, []byte(before+opening+how+"\n"+want+closing+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

// codesTables are the ends, which have no HTTP status, and the refusals.
func codesTables() string {
	var ends, refusals strings.Builder
	ends.WriteString("| end | name | why | kind | the client | come back | setting |\n|---|---|---|---|---|---|---|\n")
	var others []string // refusals of another kind than that
	refusals.WriteString("| error | name | why | status | `faultCode` | come back | setting |\n|---|---|---|---|---|---|---|\n")
	for _, c := range message.Codes() {
		back, setting := c.Reconnect, c.Setting
		if c.RetryAfterMillis > 0 {
			back = fmt.Sprintf("after %d ms", c.RetryAfterMillis)
		}
		if setting != "" {
			setting = "`" + setting + "`"
		}
		if c.HTTPStatus == 0 {
			over := ""
			if c.Over {
				over = "ends"
			}
			fmt.Fprintf(&ends, "| %d | `%s` | %s | %s | %s | %s | %s |\n", c.Code, c.Name, c.Sentence, c.Kind, over, back, setting)
			continue
		}
		if c.Kind != "refused" {
			others = append(others, fmt.Sprintf("%d is `%s`", c.Code, c.Kind))
		}
		fmt.Fprintf(&refusals, "| %d | `%s` | %s | %d | `%s` | %s | %s |\n", c.Code, c.Name, c.Sentence, c.HTTPStatus, c.FaultCode, back, setting)
	}
	return ends.String() + "\nAn error's kind is `refused`; " + strings.Join(others, ", ") + ". Whether to come back is `reconnect`: of an end, may the client connect again; of an error that met a connect, a handshake or the opening of a stream, may it try that again.\n\n" + refusals.String()
}
