package config

import (
	"net/netip"
	"net/textproto"
	"strconv"
	"strings"
	"unicode"
)

// expectations say what the kinds without numbers look like.
var expectations = map[Kind]string{
	Text:     "text of 1 to 4096 characters",
	Bool:     "true or false",
	ID:       "1 to 255 characters without , ; : or control characters",
	Ref:      "the id of an element",
	Refs:     "ids separated by , ; or :",
	Class:    "a class name",
	URL:      "scheme://host:port/path, or /path",
	File:     "the path of a file",
	Origin:   "scheme://host, scheme://host:port or *",
	Address:  "an IP address or a host name, without port",
	Network:  "an IP address or a network such as 10.0.0.0/8",
	Header:   "Name: value, and no header that HTTP itself needs",
	Pattern:  "a category such as Endpoint.General, or Endpoint.* with the star last",
	LogLevel: "None, Error, Warn, Info, Debug or All",
}

// checks are the tests behind expectations.
var checks = map[Kind]func(string) bool{
	Text:     func(s string) bool { return s != "" && len(s) <= 4096 },
	ID:       validID,
	Ref:      func(s string) bool { return s != "" },
	Refs:     func(s string) bool { return len(splitRefs(s)) > 0 },
	Class:    func(s string) bool { return s != "" && !strings.ContainsFunc(s, unicode.IsSpace) },
	URL:      func(s string) bool { _, ok := splitURL(s); return ok },
	File:     func(s string) bool { return s != "" && !strings.ContainsRune(s, 0) },
	Origin:   validOrigin,
	Address:  validAddress,
	Network:  func(s string) bool { _, ok := parseNetwork(s); return ok },
	Header:   func(s string) bool { _, _, ok := splitHeader(s); return ok },
	LogLevel: func(s string) bool { return parseLevel(s) != "" },
	Pattern: func(s string) bool {
		star := strings.IndexByte(s, '*')
		return s != "" && (star < 0 || star == len(s)-1) && !strings.ContainsFunc(s, unicode.IsSpace)
	},
}

// maxID is how many bytes an id may have.
const maxID = 255

func validID(s string) bool {
	return s != "" && len(s) <= maxID && !strings.ContainsAny(s, ",;:") && !strings.ContainsFunc(s, unicode.IsControl)
}

// splitRefs splits the shortcut form of a list of ids.
func splitRefs(s string) []string {
	var out []string
	for _, f := range strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ';' || r == ':' }) {
		if f = strings.TrimSpace(f); f != "" {
			out = append(out, f)
		}
	}
	return out
}

// validOrigin takes what a browser sends in Origin: no path, no user, no wildcard inside.
func validOrigin(s string) bool {
	if s == "*" {
		return true
	}
	u, ok := splitURL(s)
	return ok && u.scheme != "" && u.host != "" && u.path == "" && !strings.HasSuffix(s, "/") && !strings.ContainsAny(s, "{}*@")
}

func validAddress(s string) bool {
	if s == "*" {
		return true
	}
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	return validHost(s)
}

// validHost takes a DNS name. A name of digits and dots only is an address gone wrong.
func validHost(s string) bool {
	if s == "" || len(s) > 253 || strings.Trim(s, "0123456789.") == "" {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") {
			return false
		}
		for _, r := range label {
			if r != '-' && r != '_' && (r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r)) {
				return false
			}
		}
	}
	return true
}

func parseNetwork(s string) (netip.Prefix, bool) {
	if p, err := netip.ParsePrefix(s); err == nil {
		return p.Masked(), true
	}
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(a, a.BitLen()), true
}

// splitHeader splits "Name: value". What frames the answer is not the operator's to set.
func splitHeader(s string) (name, value string, ok bool) {
	name, value, ok = strings.Cut(s, ":")
	name, value = textproto.TrimString(name), textproto.TrimString(value)
	if !ok || name == "" || strings.ContainsFunc(value, unicode.IsControl) {
		return "", "", false
	}
	for _, r := range name {
		if r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("!#$%&'*+-.^_`|~", r) {
			return "", "", false
		}
	}
	switch strings.ToLower(name) {
	case "connection", "content-length", "transfer-encoding", "trailer", "upgrade", "te", "keep-alive", "content-type", "content-encoding", "set-cookie":
		return "", "", false
	}
	if strings.HasPrefix(strings.ToLower(name), "sec-websocket-") {
		return "", "", false
	}
	return name, value, true
}

// endpointURL is an endpoint's url in pieces. host and port may be tokens.
type endpointURL struct{ scheme, host, port, path string }

// splitURL takes a URL apart by hand, because net/url refuses {server.port} where a port is wanted.
func splitURL(s string) (u endpointURL, ok bool) {
	if s == "" || strings.ContainsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) || strings.ContainsAny(s, "?#\\") {
		return u, false
	}
	if strings.HasPrefix(s, "/") && !strings.HasPrefix(s, "//") {
		u.path = s
		return u, validPath(s)
	}
	scheme, rest, found := strings.Cut(s, "://")
	if !found || strings.ContainsAny(scheme, "/{}") {
		return u, false
	}
	u.scheme = strings.ToLower(scheme)
	authority, path, slash := strings.Cut(rest, "/")
	if slash {
		u.path = "/" + path
	}
	u.host, u.port = authority, ""
	if i := strings.LastIndexByte(authority, ':'); i >= 0 && i > strings.LastIndexByte(authority, ']') {
		u.host, u.port = authority[:i], authority[i+1:]
		if !validPort(u.port) {
			return u, false
		}
	}
	return u, u.host != "" && !strings.Contains(u.host, "@") && validPath(u.path)
}

// validPort takes a number or a token that the client fills in.
func validPort(s string) bool {
	if strings.HasPrefix(s, "{") {
		return true
	}
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0
}

// validPath refuses what a router would treat as a pattern and what a browser would rewrite.
func validPath(p string) bool {
	if strings.ContainsAny(p, "*{}%") {
		return false
	}
	for part := range strings.SplitSeq(p, "/") {
		if part == "." || part == ".." {
			return false
		}
	}
	return true
}
