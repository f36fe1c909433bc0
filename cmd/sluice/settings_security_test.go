package main

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
)

func base64Of(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

// What allowed sees where everybody may, where users may, and where friends may.
const (
	forAll     = "nobody ok ok, bob ok ok, alice ok ok"
	forUsers   = "nobody login-required login-required, bob ok ok, alice ok ok"
	forFriends = "nobody login-required login-required, bob access-denied access-denied, alice ok ok"
)

// securityProbes are of who may do what, and of what remembers it.
func securityProbes() []probe {
	const roles = "<roles><role>strangers</role><role>friends</role></roles>"
	constraint := func(inside string) string {
		return `<security-constraint id="friends">` + inside + "</security-constraint>"
	}
	inline := func(attributes, inside string) string {
		return "<security><security-constraint " + attributes + ">" + inside + "</security-constraint></security>"
	}
	friends := login.and(page{"security": constraint(roles)})
	const reference = `<security><security-constraint ref="friends"/></security>`
	all := []probe{
		{setting: "security/security-constraint/id", common: login.and(page{"plain-attributes": `security-constraint="friends"`}), add: page{"security": constraint("")}, see: allowed, want: seen(startsNot, forUsers)},
		{setting: "security/security-constraint/roles/role", common: login.and(page{"security": constraint(""), "plain-attributes": `security-constraint="friends"`}),
			instead: friends.and(page{"plain-attributes": `security-constraint="friends"`}), see: allowed, want: seen(forUsers, forFriends)},
		{setting: "services/service/default-security-constraint/ref", common: friends, add: page{"service": `<default-security-constraint ref="friends"/>`}, see: allowed, want: seen(forAll, forFriends)},
		{setting: "services/service/destination/properties/server/send-security-constraint/ref", common: friends,
			add: page{"plain": `<properties><server><send-security-constraint ref="friends"/></server></properties>`}, see: allowed,
			want: seen(forAll, "nobody ok login-required, bob ok access-denied, alice ok ok")},
		{setting: "services/service/destination/properties/server/subscribe-security-constraint/ref", common: friends,
			add: page{"plain": `<properties><server><subscribe-security-constraint ref="friends"/></server></properties>`}, see: allowed,
			want: seen(forAll, "nobody login-required ok, bob access-denied ok, alice ok ok")},

		{setting: "security/password-file", add: login, see: func(w *world) string {
			_, auth := w.welcome("/longpoll")
			return w.post("/longpoll", loginLine("alice", "wonderland"), auth...)
		}, want: seen("bad-credentials", "ok")},
		{setting: "security/session-cookie-name", common: login, add: page{"security": "<session-cookie-name>mine</session-cookie-name>"}, see: cookie, want: seen("SluiceSessionId alice", "mine alice")},
		{setting: "security/session-cookie-secure", common: proxied, add: page{"security": "<session-cookie-secure>true</session-cookie-secure>"}, see: secure, want: seen("false true", "true true")},
		{setting: "security/session-cookie-secure", common: proxied, add: page{"security": "<session-cookie-secure>false</session-cookie-secure>"}, see: secure, want: seen("false true", "false false")},

		{setting: "api/key", add: page{"api": `<key id="billing" value="fedcba9876543210"/>`}, see: key, want: seen("401", "200")},
		{setting: "api/key/value", common: page{"api": `<key id="billing" value="anything else than that"/>`}, instead: page{"api": `<key id="billing" value="fedcba9876543210"/>`}, see: key, want: seen("401", "200")},
		{setting: "api/key/id", common: page{"logging": "<level>All</level>", "api": `<key id="other" value="fedcba9876543210"/>`},
			instead: page{"logging": "<level>All</level>", "api": `<key id="billing" value="fedcba9876543210"/>`},
			see:     func(w *world) string { return key(w) + " " + w.said(`"key":"billing"`) }, want: seen("200 not said", "200 said")},

		{setting: "security/security-constraint/auth-method", common: friends.and(page{"longpoll-attributes": `security-constraint="friends"`}),
			instead: login.and(page{"security": constraint(roles + "<auth-method>Basic</auth-method>"), "longpoll-attributes": `security-constraint="friends"`}),
			see:     challenged, want: seen(notChallenged, channelChallenged)},
	}
	// A constraint may be named or written in a channel and in a destination.
	for _, place := range []struct{ path, mark, first string }{{"channels/channel-definition", "longpoll", "longpoll"}, {"services/service/destination", "plain", "chat"}} {
		at := func(text string) page { return login.and(page{place.mark: text}) }
		in := place.path + "/security/security-constraint"
		basic := channelChallenged
		if place.mark == "plain" {
			basic = destinationChallenged
		}
		all = append(all,
			probe{setting: "@" + place.path + "/security-constraint", common: friends, add: page{place.mark + "-attributes": `security-constraint="friends"`}, see: allowed, want: seen(forAll, forFriends)},
			probe{setting: in, common: login, instead: at(inline("", "")), see: allowed, want: seen(forAll, forUsers)},
			probe{setting: in + "/ref", common: friends, add: page{place.mark: reference}, see: allowed, want: seen(forAll, forFriends)},
			probe{setting: in + "/roles/role", common: at(inline("", "")), instead: at(inline("", roles)), see: allowed, want: seen(forUsers, forFriends)},
			probe{setting: in + "/id", common: login.and(page{place.first: inline("", ""), "plain-attributes": `security-constraint="own"`}),
				instead: login.and(page{place.first: inline(`id="own"`, ""), "plain-attributes": `security-constraint="own"`}), see: allowed, want: seen(startsNot, forUsers)},
			probe{setting: in + "/auth-method", common: at(inline("", roles)), instead: at(inline(`auth-method="Basic"`, roles)), see: challenged, want: seen(notChallenged, basic)},
		)
	}
	return all
}

// proxied is a listener behind a proxy that may speak TLS for it.
var proxied = page{"server": "<trusted-proxies><proxy>192.0.2.0/24</proxy></trusted-proxies>"}

// allowed says for nobody, a user without a role, and a friend, whether they may subscribe to the destination plain over long-poll, and send to it.
func allowed(w *world) string {
	users := []string{"nobody", "bob", "alice"}
	return times(len(users), func(i int) string {
		_, auth := w.welcome("/longpoll")
		if user := users[i]; user != "nobody" {
			if said := w.post("/longpoll", loginLine(user, map[string]string{"bob": "builder", "alice": "wonderland"}[user]), auth...); said != "ok" {
				w.t.Fatalf("login of %s: %s", user, said)
			}
		}
		return users[i] + " " + w.post("/longpoll", subscribeLine("plain", "")+publishLine("plain", "", "x"), auth...)
	})
}

// What challenged sees: under Custom; under Basic on the channel; and on the destination.
const (
	notChallenged         = "ok; ok, login-required; ok; ok ok; 401 login-required; ok; 401 bad-credentials"
	channelChallenged     = "401 login-required asks; ok, ok; 401 bad-credentials asks; ok ok; 401 login-required asks; ok; 401 bad-credentials asks"
	destinationChallenged = "ok; ok, login-required; ok; ok ok; 401 login-required asks; ok; 401 bad-credentials asks"
)

// challenged sends requests without a user, with the right password, and with a wrong one: connects, with what is then answered to a subscribe, one with the login as its
// second line, and messages. It says how they are answered, and whether the answer asks for a password in the way of HTTP (RFC 7617).
func challenged(w *world) string {
	right := []string{"Authorization", "Basic " + base64Of("alice:wonderland")}
	wrong := []string{"Authorization", "Basic " + base64Of("alice:queen")}
	var all []string
	for i, resp := range []*http.Response{
		w.do("POST", "/longpoll", connectLine),
		w.do("POST", "/longpoll", connectLine, right...),
		w.do("POST", "/longpoll", connectLine, wrong...),
		w.do("POST", "/longpoll", connectLine+loginLine("alice", "wonderland")),
		w.do("POST", "/longpoll/plain", "1"),
		w.do("POST", "/longpoll/plain", "1", right...),
		w.do("POST", "/longpoll/plain", "1", wrong...),
	} {
		said := answered(resp)
		if strings.HasPrefix(resp.Header.Get("WWW-Authenticate"), `Basic realm="`) {
			said += " asks"
		}
		if i == 1 {
			_, auth := w.welcome("/longpoll", right...)
			said += ", " + w.post("/longpoll", subscribeLine("plain", ""), auth...)
		}
		all = append(all, said)
	}
	return strings.Join(all, "; ")
}

// cookie logs in, and says the name of the cookie and whom it makes of the next client.
func cookie(w *world) string {
	_, auth := w.welcome("/longpoll")
	resp := w.do("POST", "/longpoll", loginLine("alice", "wonderland"), auth...)
	set := resp.Cookies()[0]
	line, _ := w.welcome("/longpoll", "Cookie", set.Name+"="+set.Value)
	return fmt.Sprint(set.Name, " ", line["body"].(map[string]any)["user"])
}

// secure says whether the cookie is for TLS only, without it and with it.
func secure(w *world) string {
	plain := w.do("POST", "/longpoll", connectLine).Cookies()[0]
	tls := w.do("POST", "/longpoll", connectLine, "X-Forwarded-Proto", "https").Cookies()[0]
	return fmt.Sprint(plain.Secure, tls.Secure)
}

// key says whether the API answers to a certain key.
func key(w *world) string {
	return fmt.Sprint(w.do("GET", "/api/v1/info", "", "Authorization", "Bearer fedcba9876543210").StatusCode)
}
