package server_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/bcrypt"

	"sluice/channel"
	"sluice/channel/message"
	"sluice/endpoint/endpointtest"
	"sluice/endpoint/server"
	"sluice/flexsession"
	"sluice/flexsession/filestore"
)

// directory is a data directory, and the servers that use it one after the other.
type directory struct {
	*endpointtest.Rig // the one that runs

	t     *testing.T
	dir   string
	store *filestore.Store
}

// onDirectory runs f in a bubble with a first server.
func onDirectory(t *testing.T, change func(*server.Options), f func(t *testing.T, l *directory)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := &directory{t: t, dir: t.TempDir()}
		l.start(change)
		f(t, l)
	})
}

// start starts a server on the directory.
func (l *directory) start(change func(*server.Options)) {
	l.t.Helper()
	store, err := filestore.Open(l.dir, filestore.Options{})
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { store.Close() }) // behind the server's own cleanup
	l.store = store
	l.Rig = endpointtest.New(l.t, func(o *server.Options) {
		o.Sessions = store
		if change != nil {
			change(o)
		}
	})
}

// stop ends the server in order.
func (l *directory) stop() {
	l.t.Helper()
	if err := errors.Join(l.Server.Shutdown(context.Background()), l.store.Close()); err != nil {
		l.t.Fatal(err)
	}
}

// crash leaves the directory as it is: who starts next finds a copy of it, and nothing of what the server does from now on.
func (l *directory) crash() {
	l.t.Helper()
	synctest.Wait()
	text, err := os.ReadFile(filepath.Join(l.dir, filestore.FileName))
	l.dir = l.t.TempDir()
	if err = errors.Join(err, os.WriteFile(filepath.Join(l.dir, filestore.FileName), text, 0o600)); err != nil {
		l.t.Fatal(err)
	}
}

// logIn connects over kind, logs ann in there, and returns the client and its cookie.
func (l *directory) logIn(kind channel.Kind) (c *endpointtest.Client, cookie string) {
	l.t.Helper()
	c = l.Connect(kind)
	_, lines, h := l.Post("/"+string(kind), login("ann", "secret", 1), append(c.Auth(), "Cookie", c.Cookie)...)
	if lines[0].Text("type") != "acknowledge" {
		l.t.Fatal(lines)
	}
	return c, "SluiceSessionId=" + setCookies(h)[0].Value
}

// session is the only one there is.
func (l *directory) session() flexsession.Session {
	l.t.Helper()
	synctest.Wait()
	all := l.Server.Registry().Sessions()
	if len(all) != 1 {
		l.t.Fatalf("%d sessions, want one", len(all))
	}
	return all[0]
}

// who is the user that a cookie brings, nil where it brings none, and says whether the cookie is still good: it is not set anew.
func (l *directory) who(cookie string) (user any, good bool) {
	l.t.Helper()
	_, lines, h := l.Post("/longpoll", connectLine, "Cookie", cookie)
	body, ok := lines[0]["body"].(map[string]any)
	if !ok {
		l.t.Fatal(lines)
	}
	return body["user"], h.Get("Set-Cookie") == ""
}

func (l *directory) wantWho(cookie string, user any, good bool) {
	l.t.Helper()
	if u, g := l.who(cookie); u != user || g != good {
		l.t.Errorf("the cookie brings %v, and is good: %v; want %v and %v", u, g, user, good)
	}
}

// kept are the ids of the sessions in the store.
func (l *directory) kept() (n int) {
	l.t.Helper()
	synctest.Wait()
	if err := l.store.Each(func(string, []byte, time.Time) { n++ }); err != nil {
		l.t.Fatal(err)
	}
	return n
}

// people makes a password file of lines like ann:members, all with the password secret, and two destinations for roles.
func people(t *testing.T, lines ...string) func(*server.Options) {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, line := range lines {
		name, roles, some := strings.Cut(line, ":")
		if some {
			roles = ":" + roles
		}
		fmt.Fprintf(&text, "%s:%s%s\n", name, hash, roles)
	}
	file := filepath.Join(t.TempDir(), "people")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	passwords, err := flexsession.LoadPasswords(file)
	if err != nil {
		t.Fatal(err)
	}
	return func(o *server.Options) {
		o.Passwords = passwords
		o.Constraints = []channel.SecurityConstraint{{ID: "members", Roles: []string{"members"}}, {ID: "staff", Roles: []string{"staff"}}}
		o.Destinations = append(o.Destinations, channel.DestinationDefinition{ID: "members", Constraint: "members"}, channel.DestinationDefinition{ID: "staff", Constraint: "staff"})
	}
}

// The whole way over a restart: told that the server goes down, unknown to the next one, connected anew with the same cookie, and there are the login and the attributes.
func TestSessionOutlivesARestart(t *testing.T) {
	for _, kind := range []channel.Kind{channel.Streaming, channel.LongPoll} {
		t.Run(string(kind), func(t *testing.T) {
			var before, after lives
			onDirectory(t, func(o *server.Options) { people(t, "ann:members")(o); before.listen(o) }, func(t *testing.T, l *directory) {
				c, cookie := l.logIn(kind)
				first := l.session()
				if err := first.SetAttribute("cart", []string{"tea", "milk"}); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Minute)
				l.stop()
				c.WantEnd(message.CodeServerShutdown)
				before.want(t, "session "+string(kind), "client", "session ended server-shutdown", "client ended server-shutdown")

				time.Sleep(5 * time.Minute)
				l.start(func(o *server.Options) { people(t, "ann:staff", "bob")(o); after.listen(o) })
				status, lines, _ := l.Post("/"+string(kind), c.PollLine(9, 0), c.Auth()...)
				if status != 401 || kind == channel.LongPoll && (lines[0].Text("operation") != "gone" || lines[0].Text("reason") != message.GoneUnknown) {
					t.Errorf("the old client: %d %v", status, lines)
				}
				after.want(t)
				again := l.Connect(kind, "Cookie", cookie)
				if again.Cookie != "" {
					t.Errorf("the cookie was set anew: %q", again.Cookie)
				}
				second := l.session()
				var cart []string
				if ok, err := second.Attribute("cart", &cart); !ok || err != nil || fmt.Sprint(cart) != "[tea milk]" || !second.Created().Equal(first.Created()) {
					t.Errorf("the cart is %v, %v %v, and the session began %v, want %v", cart, ok, err, second.Created(), first.Created())
				}
				again.WantRefusal(again.Do("command", `"operation":"subscribe","destination":"members"`), message.CodeAccessDenied) // roles are those of the file as it is now
				again.Subscribe("staff", "")
				after.want(t, "session "+string(kind), "client", "subscription")
				ws := l.Connect(channel.WebSocket, "Cookie", cookie)
				ws.Subscribe("staff", "")
				l.wantWho(c.Cookie, nil, false) // the one from before the login is nobody's
			})
		})
	}
}

// A user who is not in the password file any more is logged out, and a file of none knows nobody.
func TestRemovedUser(t *testing.T) {
	for name, next := range map[string]func(*server.Options){"one user less": people(t, "bob"), "no users": nil} {
		t.Run(name, func(t *testing.T) {
			onDirectory(t, people(t, "ann:members", "bob"), func(t *testing.T, l *directory) {
				_, cookie := l.logIn(channel.LongPoll)
				l.stop()
				l.start(next)
				if n := l.kept(); n != 0 {
					t.Errorf("the store keeps %d sessions", n)
				}
				l.wantWho(cookie, nil, false)
			})
		})
	}
}

// The session timeout holds over a restart: what has passed before it counts, and so does the time without a server.
func TestSessionTimeoutOverARestart(t *testing.T) {
	for _, c := range []struct {
		idle, down time.Duration // before the restart, and through it
		crash      bool
		left       time.Duration // after the start; zero: it has timed out
	}{
		{idle: 10 * time.Minute, down: 4 * time.Minute, left: time.Minute},
		{idle: 10 * time.Minute, down: 6 * time.Minute},
		{idle: 0, down: time.Hour},
		{idle: 10 * time.Minute, down: 6 * time.Minute, crash: true, left: 9 * time.Minute}, // it may have been active until the crash
		{idle: 10 * time.Minute, down: 17 * time.Minute, crash: true},
	} {
		t.Run(fmt.Sprintf("idle %v, down %v, crash %v", c.idle, c.down, c.crash), func(t *testing.T) {
			onDirectory(t, nil, func(t *testing.T, l *directory) {
				_, lines, h := l.Post("/longpoll", connectLine)
				if lines[0].Text("type") != "acknowledge" {
					t.Fatal(lines)
				}
				cookie := "SluiceSessionId=" + setCookies(h)[0].Value
				time.Sleep(c.idle)
				if c.crash {
					l.crash()
				} else {
					l.stop()
				}
				time.Sleep(c.down)
				var events lives
				began := time.Now()
				l.start(events.listen)
				records := l.Server.Registry().Records
				if c.left == 0 {
					if records() != 0 || l.kept() != 0 {
						t.Errorf("%d sessions live, %d are kept", records(), l.kept())
					}
					l.wantWho(cookie, nil, false)
					return
				}
				if records() != 1 {
					t.Fatalf("%d sessions live", records())
				}
				for records() > 0 {
					time.Sleep(time.Second)
				}
				lived, slack := time.Since(began), 2*time.Second
				if c.crash {
					slack = 2*filestore.AliveInterval + time.Second
				}
				if lived < c.left || lived > c.left+slack {
					t.Errorf("it lived %v after the start, want %v", lived, c.left)
				}
				if l.kept() != 0 {
					t.Error("the store keeps what has timed out")
				}
				l.wantWho(cookie, nil, false)
			})
		})
	}
}

// A restored session that is used lives on, and one whose timeout is off is not counted.
func TestRestoredSessionIsTouched(t *testing.T) {
	onDirectory(t, nil, func(t *testing.T, l *directory) {
		c := l.Connect(channel.LongPoll)
		l.stop()
		time.Sleep(14 * time.Minute)
		l.start(nil)
		busy := l.Connect(channel.LongPoll, "Cookie", c.Cookie)
		for range 4 {
			time.Sleep(10 * time.Minute)
			busy.Publish("chat", "", "still here")
		}
		l.stop()
		time.Sleep(time.Hour)
		l.start(func(o *server.Options) {
			for i := range o.Channels {
				o.Channels[i].SessionTimeout = 0
			}
		})
		time.Sleep(time.Hour)
		l.wantWho(c.Cookie, nil, true) // the file's settings are those of now: it never times out
	})
}
