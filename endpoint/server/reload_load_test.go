package server_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sluice/channel"
	"sluice/channel/message"
	"sluice/endpoint/endpointtest"
	"sluice/endpoint/server"
	"sluice/flexsession"
)

// unlike makes options that differ from the usual ones in much, and from step to step.
func unlike(step int) func(*server.Options) {
	d := time.Duration(step%5 + 1)
	return func(o *server.Options) {
		each(func(c *channel.ChannelDefinition) {
			c.ServerHeartbeat, c.DeadPeerTimeout, c.SessionTimeout, c.IdleTimeout = d*time.Second, 30*d*time.Second, d*time.Hour, d*time.Hour
			c.WaitInterval, c.WriteTimeout, c.ReliableReconnectDuration = d*5*time.Second, d*10*time.Second, d*time.Minute
			c.MaxMessageSize, c.AllowedOrigins, c.MaxWaitingPollRequests = 64<<10*int(d), []string{fmt.Sprintf("https://%d.example", step)}, 1000*int(d)
			c.KeepAlive = &channel.KeepAlive{Enabled: step%2 == 0}
		})(o)
		o.Constraints = []channel.SecurityConstraint{{ID: "staff", Roles: []string{fmt.Sprint("role ", step)}}}
		o.Destinations = append(o.Destinations, channel.DestinationDefinition{ID: "later", SendConstraint: "staff"})
		o.FlexClient.Window = flexsession.Window{Messages: 2000 * int(d)}
		o.FlexClient.MaxWaitingMessages, o.FlexClient.MaxSubscriptions = 20000*int(d), 100*int(d)
		o.Listeners[0].MaxConnections, o.Listeners[0].RequestBodyTimeout = 1000*int(d), d*20*time.Second
		o.MaxLoginFailures, o.MaxTickets = step, 100*int(d)
	}
}

// While everybody publishes, polls, streams and comes back on new connections, the configuration is reloaded over and over: every message arrives once and in order, and nothing ends.
func TestReloadUnderLoad(t *testing.T) {
	const each, messages, reloads = 3, 60, 100
	var ended atomic.Int32
	endpointtest.Run(t, func(o *server.Options) {
		o.FlexClient.Listeners = []flexsession.Listener{{
			ClientDestroyed:        func(*flexsession.FlexClient, flexsession.Cause) { ended.Add(1) },
			MessageClientDestroyed: func(*flexsession.MessageClient, flexsession.Cause) { ended.Add(1) },
		}}
	}, func(t *testing.T, r *endpointtest.Rig) {
		var all []*endpointtest.Client
		for _, kind := range endpointtest.Kinds {
			for range each {
				c := r.Connect(kind)
				c.Subscribe("chat", "")
				all = append(all, c)
			}
		}
		var busy sync.WaitGroup
		for from, c := range all {
			busy.Go(func() {
				for i := range messages {
					if reply := c.Publish("chat", "", fmt.Sprintf("%d %d", from, i)); reply.Text("type") != "acknowledge" {
						t.Errorf("%s: %v", c.Kind, reply)
						return
					}
					time.Sleep(10 * time.Millisecond)
				}
			})
		}
		busy.Go(func() {
			for i := range reloads {
				if _, err := r.Server.Reload(endpointtest.Options(unlike(i))); err != nil {
					t.Error(err)
				}
				time.Sleep(messages * 10 * time.Millisecond / reloads)
			}
		})
		busy.Go(func() { // and somebody comes and goes
			for range 20 {
				c := r.NewClient(channel.LongPoll)
				c.Connect()
				time.Sleep(30 * time.Millisecond)
			}
		})
		busy.Wait()
		time.Sleep(time.Minute) // what polls bring arrives
		for _, c := range all {
			next := map[int]int{}
			for range len(all) * messages {
				line := c.Next()
				var from, i int
				if _, err := fmt.Sscanf(line.Text("body"), "%d %d", &from, &i); err != nil || next[from] != i {
					t.Fatalf("%s: got %v, want message %d of that one", c.Kind, line, next[from])
				}
				next[from]++
			}
			c.Nothing(time.Second)
		}
		if n := ended.Load(); n != 0 {
			t.Errorf("%d clients and subscriptions have ended", n)
		}
	})
}

// A stream that was opened before a reload can be attached and closed after it, and a socket that was opened before it connects.
func TestReloadKeepsWhatIsOpen(t *testing.T) {
	reloading(t, nil, func(t *testing.T, r *endpointtest.Rig, reload func(func(*server.Options)) *server.Reloaded) {
		c := r.Connect(channel.Streaming)
		c.Subscribe("chat", "")
		resp := r.Do("POST", "/streaming?command=open", "", c.Auth()...)
		defer resp.Body.Close()
		open := make([]byte, 200)
		n, _ := resp.Body.Read(open)
		_, rest, _ := strings.Cut(string(open[:n]), `"streamId":"`)
		id, _, _ := strings.Cut(rest, `"`)
		socket := r.RawSocket()
		time.Sleep(time.Second)

		reload(unlike(1))
		_, lines, _ := r.Post("/streaming", fmt.Sprintf(`{"type":"control","operation":"attach","streamId":%q,"attach":9,"have":1}`, id), c.Auth()...)
		if lines[0].Text("operation") != "attached" || lines[0]["reconnectMillis"] != 120_000.0 { // and what holds from now on
			t.Errorf("attach: %v", lines)
		}
		if status, lines, _ := r.Post("/streaming?command=close&streamId="+id, "", c.Auth()...); status != http.StatusOK {
			t.Errorf("close: %d %v", status, lines)
		}
		socket.Frame(endpointtest.Fin|endpointtest.Text, `{"type":"command","operation":"client_ping","messageId":"c","headers":{"DSId":"nil"},"attach":1}`)
		if line := socket.NextLine(); line.Text("type") != "acknowledge" {
			t.Errorf("connect: %v", line)
		}
	})
}

// The limits of a listener hold at once, also for connections and requests of the old ones that are there.
func TestReloadListener(t *testing.T) {
	reloading(t, nil, func(t *testing.T, r *endpointtest.Rig, reload func(func(*server.Options)) *server.Reloaded) {
		first := r.Raw()
		first.Request("GET", "/config.json", "")
		first.Answer()
		reload(func(o *server.Options) { o.Listeners[0].MaxConnections, o.Listeners[0].MaxNewSessions = 1, 1 })
		second := r.Raw()
		second.Request("GET", "/config.json", "")
		if resp, lines := second.Answer(); resp.StatusCode != http.StatusServiceUnavailable || lines[0].Code() != message.CodeLimitConnections {
			t.Errorf("a second connection: %d %v", resp.StatusCode, lines)
		}
		connect := `{"type":"command","operation":"client_ping","messageId":"c","headers":{"DSId":"nil"}}`
		for i, want := range []message.Code{0, message.CodeLimitNewSessions} {
			first.Request("POST", "/longpoll", connect)
			if _, lines := first.Answer(); lines[0].Code() != want {
				t.Errorf("session %d: %v", i, lines)
			}
		}
		// A body may take longer than it could when the listener was opened.
		reload(func(o *server.Options) {
			o.Listeners[0].MaxConnections, o.Listeners[0].MaxNewSessions, o.Listeners[0].RequestBodyTimeout = 10, 0, 10*time.Minute
		})
		slow := r.Raw()
		slow.Send("POST /longpoll/chat HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 4\r\n\r\n12")
		time.Sleep(9 * time.Minute)
		slow.Send("34")
		if resp, lines := slow.Answer(); resp.StatusCode != http.StatusOK {
			t.Errorf("a slow body: %d %v", resp.StatusCode, lines)
		}
	})
}

// A certificate is read again: handshakes get the new one, connections go on. One that cannot be read changes nothing.
func TestReloadCertificate(t *testing.T) {
	certFile, keyFile, roots := certificate(t)
	options := func(o *server.Options) {
		o.Listeners[0].CertificateFile, o.Listeners[0].PrivateKeyFile = certFile, keyFile
	}
	s := startReal(t, options)
	get := func(roots *x509.CertPool) (*http.Client, error) {
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
		t.Cleanup(transport.CloseIdleConnections)
		c := &http.Client{Transport: transport, Timeout: 20 * time.Second}
		return c, fetch(c, s)
	}
	before, err := get(roots)
	if err != nil {
		t.Fatal(err)
	}
	overwrite := func(file string, with []byte) {
		if err := os.WriteFile(file, with, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	content := func(file string) []byte {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	next := func() server.Options {
		return endpointtest.Options(func(o *server.Options) {
			options(o)
			o.Listeners[0].Addr, o.Channels[0].URL = "127.0.0.1:0", "ws://{server.name}:{server.port}/websocket" // as startReal has them
		})
	}
	kept := content(certFile)
	overwrite(certFile, []byte("no certificate"))
	var bad *server.BadConfiguration
	if _, err := s.Reload(next()); !errors.As(err, &bad) || !strings.Contains(err.Error(), `listener "main": certificate: `) {
		t.Errorf("reload: %v", err)
	}
	overwrite(certFile, kept)
	otherCert, otherKey, otherRoots := certificate(t)
	overwrite(certFile, content(otherCert))
	overwrite(keyFile, content(otherKey))
	if _, err := get(roots); err != nil {
		t.Errorf("nothing was reloaded, but: %v", err)
	}
	done, err := s.Reload(next())
	if err != nil || len(done.Changed) != 1 || done.Changed[0].Setting != "servers/server[main]/properties/certificate-file" || !strings.HasPrefix(fmt.Sprint(done.Changed[0].New), "cert.pem (valid until ") {
		t.Errorf("%+v, %v", done, err)
	}
	if _, err := get(otherRoots); err != nil {
		t.Errorf("with the new certificate: %v", err)
	}
	if _, err := get(roots); err == nil {
		t.Error("the old certificate is shown still")
	}
	if err := fetch(before, s); err != nil {
		t.Errorf("the connection that was there: %v", err)
	}
	// Whether there is TLS at all needs a restart.
	plain := next()
	plain.Listeners[0].CertificateFile, plain.Listeners[0].PrivateKeyFile = "", ""
	done, err = s.Reload(plain)
	if err != nil || len(done.Changed) != 0 || len(done.NeedsRestart) != 1 || done.NeedsRestart[0].Setting != "servers/server[main]/properties/certificate-file" {
		t.Errorf("%+v, %v", done, err)
	}
	if _, err := get(otherRoots); err != nil {
		t.Errorf("it speaks TLS no more: %v", err)
	}
}

func fetch(c *http.Client, s *server.Server) error {
	req, err := http.NewRequestWithContext(context.Background(), "GET", "https://"+s.Addr("main").String()+"/config.json", bytes.NewReader(nil))
	if err != nil {
		return err
	}
	resp, err := c.Do(req)
	if err != nil {
		return err
	}
	bodyOf(resp)
	return nil
}

// Who comes back is told the times that hold now, once, and nothing where they are what they were.
func TestReloadIsTold(t *testing.T) {
	reloading(t, nil, func(t *testing.T, r *endpointtest.Rig, reload func(func(*server.Options)) *server.Reloaded) {
		c := r.NewClient(channel.LongPoll)
		_, lines, _ := r.Post("/longpoll", `{"type":"command","operation":"client_ping","messageId":"c","headers":{"DSId":"nil"}}`)
		c.Adopt(lines[0])
		told := func(attach int) any {
			_, lines, _ := r.Post("/longpoll", c.PollLine(attach, 0), c.Auth()...)
			return lines[0]["reconnectMillis"]
		}
		if got := told(1); got != nil {
			t.Errorf("at first: %v", got)
		}
		reload(func(*server.Options) {})
		if got := told(2); got != nil {
			t.Errorf("after a reload that changed nothing: %v", got)
		}
		reload(each(func(d *channel.ChannelDefinition) { d.ReliableReconnectDuration = 7 * time.Second }))
		if got := told(3); got != 7000.0 {
			t.Errorf("after a change: %v", got)
		}
		if got := told(4); got != nil {
			t.Errorf("once more: %v", got)
		}
	})
}

// A ticket of a user who is no longer there lets nobody in.
func TestReloadOfPasswordsAndTickets(t *testing.T) {
	alice, bob := passwordsOf(t, "alice", "wonderland", "friends"), passwordsOf(t, "bob", "builder", "friends")
	endpointtest.Run(t, func(o *server.Options) { o.Passwords = alice }, func(t *testing.T, r *endpointtest.Rig) {
		c := r.Connect(channel.WebSocket)
		c.Do("command", `"operation":"login","body":"YWxpY2U6d29uZGVybGFuZA=="`)
		ticket := c.Do("command", `"operation":"ticket"`)["body"].(map[string]any)["ticket"].(string)
		if _, err := r.Server.Reload(endpointtest.Options(func(o *server.Options) { o.Passwords = bob })); err != nil {
			t.Fatal(err)
		}
		c.WantEnd(message.CodeAdministrator)
		if status, lines, _ := r.Fetch("GET", "/streaming/chat?ticket="+ticket, ""); status != http.StatusUnauthorized || lines[0].Code() != message.CodeUnknownClient {
			t.Errorf("by the ticket: %d %v", status, lines)
		}
	})
}

// What has changed in a password file is told by number, and counts those who are ended or have other roles now; not those who have another password only.
func TestReloadTellsOfPasswords(t *testing.T) {
	first := passwordsOf(t, "alice", "wonderland", "friends")
	endpointtest.Run(t, func(o *server.Options) { o.Passwords = first }, func(t *testing.T, r *endpointtest.Rig) {
		reload := func(p *flexsession.Passwords, want ...string) {
			t.Helper()
			done, err := r.Server.Reload(endpointtest.Options(func(o *server.Options) { o.Passwords = p }))
			if err != nil {
				t.Fatal(err)
			}
			wantChanges(t, "changed", done.Changed, want...)
			if done.Clients != done.Changed[0].Clients || done.Sessions != done.Changed[0].Sessions {
				t.Errorf("%d sessions and %d clients in all", done.Sessions, done.Clients)
			}
		}
		r.Connect(channel.Streaming)
		c := r.Connect(channel.WebSocket)
		c.Do("command", `"operation":"login","body":"YWxpY2U6d29uZGVybGFuZA=="`)
		reload(passwordsOf(t, "alice", "other", "friends"), "security/password-file: 1 user to 1 user (1 changed) (0, 0)")
		reload(passwordsOf(t, "alice", "other", "staff"), "security/password-file: 1 user to 1 user (1 changed) (1, 1)")
		reload(passwordsOf(t, "bob", "builder", "friends"), "security/password-file: 1 user to 1 user (1 new, 1 gone) (1, 1)")
		c.WantEnd(message.CodeAdministrator)
		reload(nil, "security/password-file: 1 user to <nil> (0, 0)")
		reload(first, "security/password-file: <nil> to 1 user (0, 0)")
		c = r.Connect(channel.LongPoll)
		c.Do("command", `"operation":"login","body":"YWxpY2U6d29uZGVybGFuZA=="`)
		reload(nil, "security/password-file: 1 user to <nil> (1, 1)")

		reload(first, "security/password-file: <nil> to 1 user (0, 0)")
		c = r.Connect(channel.Streaming)
		c.Do("command", `"operation":"login","body":"YWxpY2U6d29uZGVybGFuZA=="`)
		c.Do("command", `"operation":"disconnect"`)
		reload(nil, "security/password-file: 1 user to <nil> (1, 0)") // her session, which has no client left
	})
}
