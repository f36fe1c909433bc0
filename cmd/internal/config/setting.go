package config

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"sluice/channel"
)

// Scope is the part of the file that a setting belongs to. Its text is the path of the element below services-config.
type Scope string

// The scopes, in the order in which docs/settings.md shows them.
const (
	ScopeRoot        Scope = ""
	ScopeServer      Scope = "servers/server"
	ScopeChannel     Scope = "channels/channel-definition"
	ScopeServices    Scope = "services"
	ScopeService     Scope = "services/service"
	ScopeAdapter     Scope = "services/service/adapters/adapter-definition"
	ScopeDestination Scope = "services/service/destination"
	ScopeFlexClient  Scope = "flex-client"
	ScopeSecurity    Scope = "security"
	ScopeConstraint  Scope = "security/security-constraint"
	ScopeAPI         Scope = "api"
	ScopeLogging     Scope = "logging"
	ScopeSystem      Scope = "system"
	ScopeCluster     Scope = "clusters/cluster"
)

// Kind is what a value looks like.
type Kind int

// The kinds. Group is an element with settings inside, Opaque one whose inside is not looked at, Include names other files.
const (
	Text Kind = iota
	Bool
	Int
	Bytes
	Millis
	Seconds
	Minutes
	Enum
	ID
	Ref
	Refs
	Class
	URL
	File
	Origin
	Address
	Network
	Header
	Pattern
	LogLevel
	Group
	Opaque
	Include
)

var kindNames = [...]string{"text", "true or false", "number", "bytes", "milliseconds", "seconds", "minutes", "one of", "id", "id of another element", "ids",
	"class", "URL", "file", "origin", "address", "network", "header", "pattern", "level", "group", "group", "include"}

func (k Kind) String() string { return kindNames[k] }

func (k Kind) number() bool { return k >= Int && k <= Minutes }

// Status says what the server does about a setting.
type Status int

// Served settings work. NotServed ones are refused by name unless their value is the default. JavaOnly ones have no meaning outside a
// Java server: what happens instead is told.
const (
	Served Status = iota
	NotServed
	JavaOnly
)

func (s Status) String() string {
	return [...]string{"served", "not served by this version", "Java only"}[s]
}

// Setting is one row of the table: everything the parser, the report and the documentation know about it.
type Setting struct {
	Scope    Scope
	In       string // elements between the scope's element and the setting: properties/server
	Name     string // attribute or child element; the path of a Group ends with its name
	OldNames []string

	Kind           Kind
	Enum           []string // for Enum: the values, compared without case
	Min, Max       float64  // both zero: 0 to what the kind holds
	Default        string   // what holds when it is absent; empty: nothing
	ForeignDefault string   // the same under an endpoint class of BlazeDS or LCDS; empty: Default
	Zero, Negative string   // what these values mean, when it is not plain
	Example        string   // a value other than the default

	Required bool // its absence is an error
	List     bool // may be repeated
	AttrOnly bool // a shortcut that exists as an attribute only, beside a child element of the same name
	Secret   bool // never shown
	Strict   bool // a bad value is an error in both regimes, as in BlazeDS

	Kinds []channel.Kind // channels that it has a meaning for; none: all

	Status   Status
	Harmless []string // NotServed, JavaOnly: values that ask for nothing
	Refused  bool     // NotServed: an error under foreign classes, too, because what is delivered would differ
	Quiet    bool     // JavaOnly: a notice is enough. NotServed: another setting decides (policy of a throttle)
	Instead  string   // JavaOnly, NotServed: what happens, what to do

	From  string // the product that had it first
	Since string // its version, where known
	Doc   string // one sentence

	set func(target any, v Value)
}

// Path is the place of the setting below services-config.
func (s *Setting) Path() string {
	parts := []string{string(s.Scope), s.In, s.Name}
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), "/")
}

// Value is a setting's value as read.
type Value struct {
	Text  string
	Bool  bool
	Int   int
	Dur   time.Duration
	Items []assignment // of a Group
	at    pos
}

// ref is the id of another element and the place that names it.
type ref struct {
	id string
	at pos
}

// assignment is a value on its way to a target.
type assignment struct {
	setting *Setting
	value   Value
}

// apply gives target its values, the later ones winning.
func apply(target any, as []assignment) {
	noter, _ := target.(interface{ note(name string, at pos) })
	for _, a := range as {
		if noter != nil {
			noter.note(a.setting.Name, a.value.at)
		}
		if a.setting.set != nil {
			a.setting.set(target, a.value)
		}
	}
}

// on makes a typed function a setter of the table.
func on[T any](f func(*T, Value)) func(any, Value) {
	return func(target any, v Value) { f(target.(*T), v) }
}

// fallback is the default under the regime.
func (s *Setting) fallback(foreign bool) string {
	if foreign && s.ForeignDefault != "" {
		return s.ForeignDefault
	}
	return s.Default
}

// bounds are the smallest and the largest number allowed.
func (s *Setting) bounds() (lo, hi float64) {
	lo, hi = s.Min, s.Max
	if hi == 0 {
		switch s.Kind {
		case Seconds:
			hi = 10_000_000
		case Minutes:
			hi = 1_000_000
		default:
			hi = math.MaxInt32
		}
	}
	return lo, hi
}

// Expected says in words what the value may be.
func (s *Setting) Expected() string {
	switch {
	case s.Kind.number():
		lo, hi := s.bounds()
		what := "a whole number"
		if s.Kind == Seconds || s.Kind == Minutes {
			what = "a number"
		}
		if s.Kind != Int {
			what += " of " + s.Kind.String()
		}
		if lo == anyNegative {
			return fmt.Sprintf("%s up to %s", what, num(hi))
		}
		return fmt.Sprintf("%s from %s to %s", what, num(lo), num(hi))
	case s.Kind == Enum:
		last := len(s.Enum) - 1
		return strings.Join(s.Enum[:last], ", ") + " or " + s.Enum[last]
	}
	return expectations[s.Kind]
}

func num(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// parse reads text; ok is false when it is not what Expected says.
func (s *Setting) parse(text string) (v Value, ok bool) {
	v.Text = text
	switch s.Kind {
	case Bool:
		v.Bool = strings.EqualFold(text, "true")
		return v, v.Bool || strings.EqualFold(text, "false")
	case Int, Bytes, Millis:
		n, err := strconv.ParseInt(text, 10, 64)
		v.Int, v.Dur = int(n), time.Duration(n)*time.Millisecond
		return v, err == nil && s.inBounds(float64(n))
	case Seconds, Minutes:
		n, err := strconv.ParseFloat(text, 64)
		if err != nil || strings.Trim(text, "+-.0123456789") != "" || !s.inBounds(n) {
			return v, false
		}
		unit := time.Second
		if s.Kind == Minutes {
			unit = time.Minute
		}
		v.Dur = time.Duration(n * float64(unit))
		return v, true
	case Enum:
		for _, e := range s.Enum {
			if strings.EqualFold(e, text) {
				v.Text = e
				return v, true
			}
		}
		return v, false
	}
	check := checks[s.Kind]
	return v, check == nil || check(text)
}

func (s *Setting) inBounds(n float64) bool {
	lo, hi := s.bounds()
	return n >= lo && n <= hi // false for NaN
}

// harmless reports whether the value asks for nothing that a NotServed or JavaOnly setting would have to do.
func (s *Setting) harmless(v Value) bool {
	for _, h := range s.Harmless {
		if strings.EqualFold(h, v.Text) {
			return true
		}
		if s.Kind.number() {
			a, err := strconv.ParseFloat(h, 64)
			b, err2 := strconv.ParseFloat(v.Text, 64)
			if err == nil && err2 == nil && a == b {
				return true
			}
		}
	}
	return false
}
