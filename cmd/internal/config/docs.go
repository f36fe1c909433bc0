package config

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
)

// scopeDocs is the order and the introduction of the chapters of docs/settings.md.
var scopeDocs = []struct {
	scope Scope
	title string
	text  string
}{
	{ScopeServer, "servers/server", "One listener each. Without any server there are two, both closed to other machines: a public one on `" + DefaultListen + "` (or what --listen says) and an internal one on `" + DefaultInternal + "`."},
	{ScopeChannel, "channels/channel-definition", "A channel is how clients reach the server; its endpoint is the server's side of it. Two defaults separated by a slash: under our classes / under those of BlazeDS and LCDS."},
	{ScopeServices, "services", "What holds for all services."},
	{ScopeService, "services/service", "A service is a group of destinations. Its `properties` are those of its destinations, which win over them."},
	{ScopeAdapter, "services/service/adapters/adapter-definition", "An adapter's `properties` win over the service's, and the destination's over both."},
	{ScopeDestination, "services/service/destination", "What clients send to and subscribe to. Channels come from the destination, else from the service's default-channels, else from those of all services, else they are all channels."},
	{ScopeFlexClient, "flex-client", "What holds for every client application."},
	{ScopeSecurity, "security", "Who may log in, and how a login is remembered."},
	{ScopeConstraint, "security/security-constraint", "Who may use what refers to it. It may also be written in place, inside a channel's or destination's `security`."},
	{ScopeAPI, "api", "Keys of services that use /api/v1: on the servers with the role api or, where there is none, on the public ones."},
	{ScopeLogging, "logging", "Where log lines go. Without a target: standard error, level Info."},
	{ScopeSystem, "system", "What concerns the process as a whole."},
	{ScopeCluster, "clusters/cluster", "This version runs on one node."},
	{ScopeRoot, "Sections of services-config", "Includes, and sections without meaning here."},
}

// WriteSettings prints the table as docs/settings.md.
func WriteSettings(w io.Writer) error {
	b := bufio.NewWriter(w)
	fmt.Fprint(b, docsHead)
	for _, d := range scopeDocs {
		fmt.Fprintf(b, "\n## %s\n\n%s\n", d.title, d.text)
		for _, status := range []Status{Served, NotServed} {
			writeTable(b, theSchema.table[d.scope], status)
		}
	}
	fmt.Fprint(b, docsJavaOnly)
	for _, d := range scopeDocs {
		if hasRows(theSchema.table[d.scope], JavaOnly) {
			fmt.Fprintf(b, "\n### %s\n", d.title)
			writeTable(b, theSchema.table[d.scope], JavaOnly)
		}
	}
	return b.Flush()
}

// docsJavaOnly introduces what most readers need not see.
const docsJavaOnly = `
## Java only

Settings of BlazeDS and LCDS that a file may have and that mean nothing here.
`

func hasRows(rows []*Setting, status Status) bool {
	return slices.ContainsFunc(rows, func(s *Setting) bool { return s.Status == status })
}

const docsHead = `# Settings of services-config.xml

This page is printed from the table of settings in ` + "`cmd/internal/config`" + `; the parser and ` + "`sluice check`" + ` use the same one.

- A setting may be an attribute or a child element of the same name; the attribute wins. Text is trimmed.
- ` + "`{NAME}`" + ` is replaced by the environment variable NAME, ` + "`{my.name}`" + ` also by MY_NAME. ` + "`{context.root}`" + ` is empty. In an endpoint's url ` + "`{server.name}`" + ` and ` + "`{server.port}`" + ` are left for the client.
- ` + "`*-minutes` and `*-seconds`" + ` take decimals; everything else that is a number is a whole one.
- Under our endpoint classes an unknown setting or a bad value is an error. Under the classes of BlazeDS and LCDS it is a warning, and the default of BlazeDS holds. Outside the channels this follows the document: it is foreign when every channel is. An LCDS ` + "`class`" + ` makes a server foreign.
- *Not served by this version*: an error for any value but those that ask for nothing; a warning under foreign classes, unless marked **refused**, because what is delivered would differ.
- *Java only*: a warning or notice that says what happens instead. These settings stand at the end of this page.

## Endpoint classes

| class | served by | default limits |
|---|---|---|
| WebSocketEndpoint | itself | ours |
| StreamingEndpoint | itself | ours |
| LongPollEndpoint | itself | ours |
| [Secure]AMFEndpoint, [Secure]HTTPEndpoint, [Secure]NIOAMFEndpoint, [Secure]NIOHTTPEndpoint | LongPollEndpoint | BlazeDS |
| [Secure]StreamingAMFEndpoint, -HTTPEndpoint, -NIOAMFEndpoint, -NIOHTTPEndpoint | StreamingEndpoint | BlazeDS |
| [Secure]RTMPEndpoint, [Secure]WebSocketNIOAMFEndpoint | WebSocketEndpoint | BlazeDS |
| [Secure]AMFSocketEndpoint | not started | |

The classes of BlazeDS and LCDS may have their Java package. They are served with messages in JSON; those that begin with Secure refuse requests without TLS, here or at a trusted proxy. An RTMP url becomes a WebSocket one on our listener, with the same path, or the channel's id when it has none.
`

func writeTable(w io.Writer, rows []*Setting, status Status) {
	started := false
	for _, s := range rows {
		if s.Status != status {
			continue
		}
		if !started {
			fmt.Fprint(w, tableHeads[status])
			started = true
		}
		from := s.From
		if s.Since != "" {
			from = s.Since
		}
		switch status {
		case Served:
			fmt.Fprintf(w, "| %s | %s | %s | %s | %s |\n", docName(s), docValue(s), docDefault(s), docMeaning(s), from)
		case NotServed:
			fmt.Fprintf(w, "| %s | %s | %s | %s | %s |\n", docName(s), docValue(s), docHarmless(s), docMeaning(s), from)
		case JavaOnly:
			fmt.Fprintf(w, "| %s | %s Instead: %s. | %s |\n", docName(s), cell(s.Doc), cell(s.Instead), from)
		}
	}
}

var tableHeads = map[Status]string{
	Served:    "\n| setting | value | default | meaning | from |\n|---|---|---|---|---|\n",
	NotServed: "\nKnown, and not served by this version:\n\n| setting | value | accepted | meaning | from |\n|---|---|---|---|---|\n",
	JavaOnly:  "\n| setting | meaning | from |\n|---|---|---|\n",
}

func docName(s *Setting) string {
	name := s.Name
	if s.In != "" {
		name = s.In + "/" + name
	}
	if s.AttrOnly {
		name = "@" + name
	}
	out := "`" + name + "`"
	if len(s.OldNames) > 0 {
		out += " (old: `" + strings.Join(s.OldNames, "`, `") + "`)"
	}
	return out
}

func docValue(s *Setting) string {
	if s.Kind == Group || s.Kind == Opaque || s.Kind == Include {
		if s.List {
			return "element, repeatable"
		}
		return "element"
	}
	out := cell(s.Expected())
	if s.Kind == Enum {
		out = "`" + strings.Join(s.Enum, "`, `") + "`"
	}
	if s.List {
		out += "; repeatable"
	}
	if s.Required {
		out += "; required"
	}
	if len(s.Kinds) > 0 {
		var kinds []string
		for _, k := range s.Kinds {
			kinds = append(kinds, string(k))
		}
		out += "; " + strings.Join(kinds, ", ")
	}
	return out
}

func docDefault(s *Setting) string {
	switch {
	case s.Default == "":
		return "–"
	case s.ForeignDefault != "":
		return "`" + s.Default + "` / `" + s.ForeignDefault + "`"
	}
	return "`" + s.Default + "`"
}

func docHarmless(s *Setting) string {
	out := "–"
	if len(s.Harmless) > 0 {
		out = "`" + strings.Join(s.Harmless, "`, `") + "`"
	}
	if s.Refused {
		out += " (**refused**)"
	}
	return out
}

func docMeaning(s *Setting) string {
	out := cell(s.Doc)
	if s.Zero != "" {
		out += " 0: " + s.Zero + "."
	}
	if s.Negative != "" {
		out += " Negative: " + s.Negative + "."
	}
	if s.Status == NotServed && s.Instead != "" {
		out += " Here: " + cell(s.Instead) + "."
	}
	return out
}

// cell keeps a text inside its table cell, and a lone star from becoming emphasis.
func cell(s string) string { return strings.NewReplacer("|", `\|`, "*", `\*`).Replace(s) }
