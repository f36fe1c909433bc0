package main

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// serverProbes are of what a listener does, as far as a network in memory shows it.
func serverProbes() []probe {
	second := page{"servers": `<server id="second"><properties><port>81</port></properties></server>`}
	role := func(role string) page {
		return page{"servers": `<server id="second"><properties><port>81</port><role>` + role + `</role></properties></server>`}
	}
	const public = "/healthz 404, /config.json 200, /api/v1/info 401"
	return []probe{
		{setting: "servers/server/id", // what a channel's reference finds
			common: page{"servers": `<server id="a"><properties><port>82</port></properties></server>`, "longpoll": `<server ref="main"/>`, "streaming": `<server ref="a"/>`},
			add:    page{"servers": `<server id="b"><properties><port>83</port></properties></server>`},
			see: func(w *world) string {
				return at(w, "main", "/streaming") + at(w, "a", "/streaming") + at(w, "b", "/streaming")
			},
			want: seen("404 200 no server", "404 200 404 ")},
		{setting: "channels/channel-definition/server/ref",
			common: second,
			add:    page{"longpoll": `<server ref="second"/>`},
			see:    func(w *world) string { return at(w, "main", "/longpoll") + at(w, "second", "/longpoll") },
			want:   seen("200 200 ", "404 200 ")},
		{setting: "servers/server/properties/role", add: role("internal"), see: roles, want: seen("no server", "/healthz 200, /config.json 404, /api/v1/info 404")},
		{setting: "servers/server/properties/role", add: role("api"), see: roles, want: seen("no server", "/healthz 404, /config.json 404, /api/v1/info 401")},
		{setting: "servers/server/properties/role", add: role("public"), see: roles, want: seen("no server", public)},
		{setting: "servers/server/properties/trusted-proxies/proxy",
			add: page{"server": "<trusted-proxies><proxy>192.0.2.0/24</proxy></trusted-proxies>"},
			see: func(w *world) string {
				w.welcome("/streaming", "X-Forwarded-For", "203.0.113.9", "X-Forwarded-Proto", "https")
				return address(w)
			},
			want: seen("192.0.2.1 secure=false", "203.0.113.9 secure=true")},
		{setting: "servers/server/properties/proxy-protocol",
			common: page{"server": "<trusted-proxies><proxy>192.0.2.0/24</proxy></trusted-proxies>"},
			add:    page{"server": "<proxy-protocol>true</proxy-protocol>"},
			see: func(w *world) string {
				c := w.Raw()
				c.Send("PROXY TCP4 203.0.113.9 198.51.100.1 1234 80\r\n")
				c.Request("GET", "/streaming/chat", "")
				if status := c.Head().StatusCode; status != http.StatusOK {
					return fmt.Sprint(status)
				}
				w.Rig = w.From("203.0.113.50:4000") // from where no PROXY line comes
				return "200 " + address(w)
			},
			want: seen("400", "200 203.0.113.9 secure=false")},
		{setting: "servers/server/properties/max-connections", add: page{"server": "<max-connections>2</max-connections>"},
			see: func(w *world) string {
				return times(3, func(int) string {
					c := w.Raw()
					c.Request("GET", "/config.json", "")
					resp := c.Head()
					if resp.StatusCode == http.StatusOK {
						return "ok"
					}
					return answered(resp)
				})
			},
			want: seen("ok, ok, ok", "ok, ok, 503 limit-connections max-connections=2")},
		{setting: "servers/server/properties/max-new-sessions-per-minute-per-address", add: page{"server": "<max-new-sessions-per-minute-per-address>2</max-new-sessions-per-minute-per-address>"},
			see:  func(w *world) string { return connects(3)(w) + after(w, 110*time.Second, connects(1)) },
			want: seen("ok, ok, ok; ok", "ok, ok, limit-new-sessions max-new-sessions-per-minute-per-address=2; ok")},
	}
}

// roles asks the server "second" for what each role has.
func roles(w *world) string {
	r := w.rigs["second"]
	if r == nil {
		return "no server"
	}
	var all []string
	for _, path := range []string{"/healthz", "/config.json", "/api/v1/info"} {
		resp := r.Do("GET", path, "")
		resp.Body.Close()
		all = append(all, fmt.Sprintf("%s %d", path, resp.StatusCode))
	}
	return strings.Join(all, ", ")
}

// at connects at a path of a server and says the status.
func at(w *world, server, path string) string {
	r := w.rigs[server]
	if r == nil {
		return "no server"
	}
	resp := r.Do("POST", path, connectLine)
	resp.Body.Close()
	return fmt.Sprint(resp.StatusCode, " ")
}

// address says what the server takes for the address of the only session.
func address(w *world) string {
	s := w.api("GET", "/sessions", "")["items"].([]any)[0].(map[string]any)
	host, _, _ := strings.Cut(s["address"].(string), ":")
	return fmt.Sprintf("%s secure=%v", host, s["secure"])
}

// connects makes n clients, one after the other, each a session of its own.
func connects(n int) func(w *world) string {
	return func(w *world) string {
		return times(n, func(int) string { return w.post("/longpoll", connectLine) })
	}
}

// after lets time pass and says what is then seen.
func after(w *world, d time.Duration, see func(w *world) string) string {
	time.Sleep(d)
	return "; " + see(w)
}

func pollLine(attach int) string {
	return fmt.Sprintf(`{"type":"command","operation":"poll","messageId":"p","attach":%d,"have":0}`, attach)
}
