package config

import (
	"cmp"
	"io/fs"
	"net"
	"os"
	"slices"
	"strconv"

	"sluice/channel"
)

// DefaultListen is where a public listener is opened when the file configures no server at all, and
// DefaultInternal the internal one beside it. Both are closed to other machines: opening up is a decision.
const (
	DefaultListen   = "127.0.0.1:8080"
	DefaultInternal = "127.0.0.1:9080"
)

// Options is what comes from outside the file. The zero value is ready to use.
type Options struct {
	Listen      string                      // public address when no server is configured; empty: DefaultListen
	ContextRoot string                      // replaces {context.root}; empty: nothing stands before the paths
	LookupEnv   func(string) (string, bool) // replaces other tokens; nil: os.LookupEnv
}

// Load reads the file at path, with what it includes, from the machine's file system. The error joins every [Problem] that is an error;
// the Config is nil then. The Report is complete in either case.
func Load(path string, opt Options) (*Config, *Report, error) {
	return load(osSource{}, path, opt)
}

// LoadFS is Load from fsys.
func LoadFS(fsys fs.FS, name string, opt Options) (*Config, *Report, error) {
	return load(fsSource{fsys}, name, opt)
}

// Parse is Load for a file in memory, which cannot include others.
func Parse(name string, data []byte, opt Options) (*Config, *Report, error) {
	return load(memSource{name, data}, name, opt)
}

// regime is how strictly a part of the file is read, and what channel it is about.
type regime struct {
	foreign    bool         // written for BlazeDS or LCDS
	kind       channel.Kind // of the channel, if it is one
	properties bool         // inside properties, where BlazeDS allows components of one's own
	javaOnly   bool         // inside properties of a Java class, which may know names that we do not
}

// loader is the state of one Load.
type loader struct {
	opt      Options
	src      source
	schema   *schema
	rep      *Report
	cfg      *Config
	document regime

	total, includes, elements int
	open                      map[string]bool // files being included, against circles

	root         *node
	security     *securityDraft
	flexClient   *flexClientDraft
	services     *servicesDraft
	servers      []*serverDraft
	channels     []*channelDraft
	byID         map[string]*channelDraft // of channels
	constraints  map[string]bool
	channelNodes []*node
}

func load(src source, name string, opt Options) (*Config, *Report, error) {
	if opt.LookupEnv == nil {
		opt.LookupEnv = os.LookupEnv
	}
	if opt.Listen == "" {
		opt.Listen = DefaultListen
	}
	l := &loader{opt: opt, src: src, schema: theSchema, rep: &Report{}, cfg: &Config{}, open: map[string]bool{name: true}, constraints: map[string]bool{}}
	if l.root = l.tree(name, pos{file: name}); l.root != nil {
		l.read()
	}
	l.rep.finish(name)
	if err := l.rep.Err(); err != nil {
		return nil, l.rep, err
	}
	return l.cfg, l.rep, nil
}

// read follows the order of BlazeDS, in which whatever is referred to comes first.
func (l *loader) read() {
	if l.root.name != "services-config" {
		l.rep.add(l.root.at, Problem{Severity: Error, Message: "wrong root element", Found: l.root.name, Expected: "services-config"})
		return
	}
	l.channelNodes = l.items(l.root.child("channels"), "channels", "channel-definition")
	l.channelNodes = bounded(l, l.channelNodes, maxChannels, "channels")
	l.document.foreign = len(l.channelNodes) > 0 && !slices.ContainsFunc(l.channelNodes, func(n *node) bool { return !isForeign(n) })
	l.collect(l.root, l.schema.root, l.document)
	l.readSecurity()
	l.readServers()
	l.readFlexClient()
	l.readChannels()
	l.readServices()
	l.readLogging()
	l.readAPI()
	l.readSystem()
	l.checkTogether()
}

// bounded keeps a hostile file from making us compare everything with everything.
func bounded(l *loader, nodes []*node, limit int, what string) []*node {
	if len(nodes) <= limit {
		return nodes
	}
	l.rep.errorf(nodes[limit].at, "more than %d %s", limit, what)
	return nodes[:limit]
}

// readSection reads the one section of that scope into target, defaults first. The node is nil when there is none.
func (l *loader) readSection(scope Scope, target any) *node {
	l.defaults(target, scope, l.document.foreign)
	n := l.root.child(string(scope))
	if n != nil {
		apply(target, l.collect(n, l.schema.scopes[scope], l.document))
	}
	return n
}

// defaults gives target what holds when the file says nothing.
func (l *loader) defaults(target any, scope Scope, foreign bool) {
	for _, s := range l.schema.table[scope] {
		text := s.fallback(foreign)
		if s.set == nil || text == "" || l.schema.inGroup(s) {
			continue
		}
		if v, ok := s.parse(text); ok {
			s.set(target, v)
		}
	}
}

// systemDraft is the system section on its way to Config.
type systemDraft struct{ dataDirectory ref }

// readSystem reads the system section, and looks at the clusters, which only a Java server has a use for.
func (l *loader) readSystem() {
	s := &systemDraft{}
	l.readSection(ScopeSystem, s)
	if s.dataDirectory.id != "" {
		l.cfg.System.DataDirectory = l.src.beside(s.dataDirectory.at.file, s.dataDirectory.id)
	}
	l.checkStore(s)
	seen := map[string]bool{}
	for _, n := range l.items(l.root.child("clusters"), "clusters", "cluster") {
		id, _ := n.value("id")
		if seen[id] {
			l.rep.errorf(n.at, "a cluster with this id exists already")
		}
		seen[id] = true
		l.collect(n, l.schema.scopes[ScopeCluster], l.document)
	}
}

// finish puts everything into the order of the files, the main one first, and takes back what was honoured before it proved wrong.
func (r *Report) finish(main string) {
	type place struct {
		file string
		line int
		path string
	}
	wrong := map[place]bool{}
	for _, p := range r.Problems {
		if p.Severity == Error {
			wrong[place{p.File, p.Line, p.Path}] = true
		}
	}
	r.Honoured = slices.DeleteFunc(r.Honoured, func(e Entry) bool { return wrong[place{e.File, e.Line, e.Path}] })
	order := func(aFile string, aLine int, bFile string, bLine int) int {
		if (aFile == main) != (bFile == main) {
			if aFile == main {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(aFile, bFile), cmp.Compare(aLine, bLine))
	}
	entries := func(a, b Entry) int { return order(a.File, a.Line, b.File, b.Line) }
	slices.SortStableFunc(r.Problems, func(a, b Problem) int { return order(a.File, a.Line, b.File, b.Line) })
	slices.SortStableFunc(r.Honoured, entries)
	slices.SortStableFunc(r.Ignored, entries)
}

// splitListen splits Options.Listen, whose port may be 0.
func splitListen(addr string) (host string, port int, ok bool) {
	host, p, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, false
	}
	n, err := strconv.ParseUint(p, 10, 16)
	return host, int(n), err == nil
}
