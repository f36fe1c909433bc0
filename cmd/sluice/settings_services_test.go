package main

import (
	"fmt"
	"strings"

	"sluice/channel"
)

// channelProbes are of what stands around a channel's properties; those of its rights are in securityProbes.
func channelProbes() []probe {
	const ch = "channels/channel-definition/"
	extra := func(attributes, class string) page {
		return page{"channels": `<channel-definition ` + attributes + `><endpoint url="/extra" class="` + class + `"/></channel-definition>`}
	}
	return []probe{
		{setting: ch + "id", common: extra(`id="first"`, "LongPollEndpoint"), add: page{"channels": `<channel-definition id="more"><endpoint url="/more" class="LongPollEndpoint"/></channel-definition>`},
			see:  func(w *world) string { return ids(w) + ": " + w.told("/extra", "endpoint") },
			want: seen("first websocket streaming longpoll: first", "first more websocket streaming longpoll: first")},
		{setting: ch + "server-only", common: extra(`id="extra"`, "LongPollEndpoint"), add: page{"longpoll-attributes": `server-only="true"`},
			see:  func(w *world) string { return ids(w) + ": " + w.post("/longpoll", connectLine) },
			want: seen("extra websocket streaming longpoll: ok", "extra websocket streaming: ok")},
		{setting: ch + "remote", add: page{"longpoll-attributes": `remote="true"`},
			see:  func(w *world) string { return ids(w) + ": " + w.post("/longpoll", connectLine) },
			want: seen("websocket streaming longpoll: ok", "websocket streaming: 404 unknown-endpoint")},
		{setting: ch + "endpoint/url", common: page{"longpoll-attributes": `remote="true"`},
			add: page{"channels": `<channel-definition id="moved"><endpoint uri="https://push.example.com:8443/here/there/" class="LongPollEndpoint"/></channel-definition>`},
			see: func(w *world) string {
				return w.post("/here/there", connectLine) + " " + fmt.Sprint(w.config().Channels[0]["url"])
			},
			want: seen("404 unknown-endpoint ws://{server.name}:{server.port}/websocket", "ok https://push.example.com:8443/here/there")},
		{setting: ch + "endpoint/class", add: extra(`id="extra"`, "StreamingEndpoint"), see: kindAt("/extra"), want: seen("404 404 404", "200 200 405")},
		{setting: ch + "endpoint/class", add: extra(`id="extra"`, "LongPollEndpoint"), see: kindAt("/extra"), want: seen("404 404 404", "200 405 405")},
		{setting: ch + "endpoint/class", add: extra(`id="extra"`, "WebSocketEndpoint"), see: kindAt("/extra"), want: seen("404 404 404", "405 404 101")},
		{setting: ch + "endpoint/class", common: proxied.and(page{"longpoll-attributes": `remote="true"`}),
			add: page{"channels": `<channel-definition id="extra"><endpoint url="https://{server.name}/longpoll" class="flex.messaging.endpoints.SecureAMFEndpoint"/></channel-definition>`},
			see: func(w *world) string {
				return w.post("/longpoll", connectLine) + ", over TLS " + w.post("/longpoll", connectLine, "X-Forwarded-Proto", "https")
			},
			want: seen("404 unknown-endpoint, over TLS 404 unknown-endpoint", "403 insecure, over TLS ok")},
		{setting: ch + "properties/allowed-origins/origin", add: page{"all-properties": "<allowed-origins><origin>https://app.example</origin><origin>https://b.example</origin></allowed-origins>"},
			see: origins, want: seen("app 403 403, b 403 403, elsewhere 403 403", "app 200 101, b 200 101, elsewhere 403 403")},
		{setting: ch + "properties/allowed-origins/origin", add: page{"all-properties": "<allowed-origins><origin>*</origin></allowed-origins>"},
			see: origins, want: seen("app 403 403, b 403 403, elsewhere 403 403", "app 200 101, b 200 101, elsewhere 200 101")},
		{setting: ch + "properties/invalidate-session-on-disconnect", add: page{"http-properties": "<invalidate-session-on-disconnect>true</invalidate-session-on-disconnect>"},
			see: func(w *world) string {
				_, one := w.welcome("/longpoll")
				_, other := w.welcome("/streaming", one[2:]...)
				w.post("/longpoll", `{"type":"command","operation":"disconnect","messageId":"d"}`, one...)
				return w.post("/streaming", pingLine, other...)
			},
			want: seen("ok", "401 session-invalidated invalidate-session-on-disconnect")},
	}
}

// ids are those of the channels clients are told of.
func ids(w *world) string {
	var all []string
	for _, c := range w.config().Channels {
		all = append(all, fmt.Sprint(c["id"]))
	}
	return strings.Join(all, " ")
}

// kindAt tries what each kind of endpoint answers: a connect, a plain read, a handshake.
func kindAt(path string) func(w *world) string {
	return func(w *world) string {
		return fmt.Sprint(w.do("POST", path, connectLine).StatusCode, w.do("GET", path+"/plain", "").StatusCode, upgrade(w, path))
	}
}

// upgrade is the status of a handshake.
func upgrade(w *world, path string, headers ...string) int {
	c := w.Raw()
	c.Request("GET", path, "", append(headers, "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")...)
	return c.Head().StatusCode
}

// origins says whether pages of three origins may connect and shake hands.
func origins(w *world) string {
	names := []string{"app", "b", "elsewhere"}
	return times(len(names), func(i int) string {
		origin := "https://" + names[i] + ".example"
		resp := w.do("POST", "/longpoll", connectLine, "Origin", origin)
		return fmt.Sprint(names[i], " ", resp.StatusCode, " ", upgrade(w, "/websocket", "Origin: "+origin))
	})
}

// serviceProbes are of services and adapters.
func serviceProbes() []probe {
	const sv, ad = "services/service/", "services/service/adapters/adapter-definition/"
	channels := func(refs ...string) string {
		text := "<default-channels>"
		for _, r := range refs {
			text += `<channel ref="` + r + `"/>`
		}
		return text + "</default-channels>"
	}
	service := func(id, class string) page {
		return page{"services": `<service id="` + id + `" class="` + class + `"><destination id="extra"/></service>`}
	}
	topics := func(attributes string) string {
		return `<adapters><adapter-definition ` + attributes + ` class="ActionScriptAdapter"><properties><server><allow-subtopics>true</allow-subtopics></server></properties></adapter-definition></adapters>`
	}
	plain := func(w *world) string { return w.post("/longpoll/plain/a", "1") }
	all := "websocket streaming longpoll; chat websocket streaming longpoll; plain websocket streaming longpoll"
	return []probe{
		{setting: "services/default-channels/channel", add: page{"services": channels("longpoll", "websocket")}, see: lists,
			want: seen(all+"; ok", "longpoll websocket; chat longpoll websocket; plain longpoll websocket; 403 channel-not-allowed")},
		{setting: "services/default-channels/channel/ref", add: page{"services": channels("streaming")}, see: lists,
			want: seen(all+"; ok", "streaming; chat streaming; plain streaming; ok")},
		{setting: sv + "default-channels/channel", add: page{"service": channels("longpoll", "websocket")}, see: lists,
			want: seen(all+"; ok", "websocket streaming longpoll; chat longpoll websocket; plain longpoll websocket; 403 channel-not-allowed")},
		{setting: sv + "default-channels/channel/ref", common: page{"services": channels("longpoll")}, add: page{"service": channels("streaming")}, see: lists,
			want: seen("longpoll; chat longpoll; plain longpoll; 403 channel-not-allowed", "longpoll; chat streaming; plain streaming; ok")},
		{setting: sv + "id", common: service("other", "MessageService"), add: page{"services": `<service id="other" class="MessageService"/>`},
			see: (*world).starts, want: seen(starts, startsNot)}, // the only use of the name is that it is the only one
		{setting: sv + "class", add: service("other", "flex.messaging.services.MessageService"), see: extraDestination, want: seen("404 unknown-destination", "ok")},
		{setting: sv + "class", common: service("other", "MessageService"), add: page{"services": `<service id="third" class="RemotingService"><destination id="java"/></service>`},
			see: func(w *world) string {
				return extraDestination(w) + " " + w.post("/longpoll/java", "1") + " " + w.said("RemotingService has no meaning")
			},
			want: seen("ok 404 unknown-destination not said", "ok 404 unknown-destination said")},

		{setting: ad + "id", common: page{"plain-attributes": `adapter="topics"`}, add: page{"service": topics(`id="topics"`)}, see: plain, want: seen(startsNot, "ok")},
		{setting: ad + "class", common: page{"service": `<adapters><adapter-definition id="mine" default="true" class="com.example.Adapter"/></adapters>`}, add: page{"chat-server": "<colour>red</colour>"},
			see: func(w *world) string {
				return w.starts() + ", " + w.said("its destinations deliver to the subscribers") + ", " + w.said("colour")
			},
			want: seen("it starts, said, not said", "it starts, said, said")}, // what only a class of one's own knows is no mistake
		{setting: ad + "class", common: page{"service": `<adapters><adapter-definition id="ours" default="true" class="ActionScriptAdapter"/></adapters>`}, add: page{"chat-server": "<colour>red</colour>"},
			see: (*world).starts, want: seen(starts, startsNot)},
		{setting: ad + "default", common: page{"service": topics(`id="topics"`)}, instead: page{"service": topics(`id="topics" default="true"`)}, see: plain,
			want: seen("400 subtopics-not-allowed allow-subtopics=false", "ok")},
		{setting: "@services/service/destination/adapter", common: page{"service": topics(`id="topics"`)}, add: page{"plain-attributes": `adapter="topics"`}, see: plain,
			want: seen("400 subtopics-not-allowed allow-subtopics=false", "ok")},
		{setting: "services/service/destination/adapter/ref", common: page{"service": topics(`id="topics"`)}, add: page{"plain": `<adapter ref="topics"/>`}, see: plain,
			want: seen("400 subtopics-not-allowed allow-subtopics=false", "ok")},
	}
}

// lists are the default channels, those of each destination, and whether a message to one is taken over the stream's channel.
func lists(w *world) string {
	c := w.config()
	text := strings.Join(c.DefaultChannels, " ")
	for _, d := range c.Destinations {
		text += "; " + d.ID + " " + strings.Join(d.Channels, " ")
	}
	return text + "; " + w.post("/streaming/plain", "1")
}

func extraDestination(w *world) string { return w.post("/longpoll/extra", "1") }

// said says whether standard error has the words.
func (w *world) said(words string) string {
	if strings.Contains(w.log.String(), words) {
		return "said"
	}
	return "not said"
}

// destinationProbes are of destinations; those of their rights are in securityProbes.
func destinationProbes() []probe {
	const de = "services/service/destination/"
	topics := page{"chat-server": "<allow-subtopics>true</allow-subtopics>"}
	subscribed := func(topic string) func(w *world) string {
		return func(w *world) string {
			_, auth := w.welcome("/longpoll")
			return w.post("/longpoll", subscribeLine("chat", topic), auth...)
		}
	}
	return []probe{
		{setting: de + "id", common: page{"services": `<service id="s" class="MessageService"/>`}, add: page{"service": `<destination id="extra"/>`}, see: extraDestination, want: seen("404 unknown-destination", "ok")},
		{setting: "@" + de + "channels", add: page{"plain-attributes": `channels="longpoll,websocket"`}, see: lists,
			want: seen("websocket streaming longpoll; chat websocket streaming longpoll; plain websocket streaming longpoll; ok", "websocket streaming longpoll; chat websocket streaming longpoll; plain longpoll websocket; 403 channel-not-allowed")},
		{setting: de + "channels/channel", add: page{"plain": `<channels><channel ref="longpoll"/><channel ref="websocket"/></channels>`}, see: lists,
			want: seen("websocket streaming longpoll; chat websocket streaming longpoll; plain websocket streaming longpoll; ok", "websocket streaming longpoll; chat websocket streaming longpoll; plain longpoll websocket; 403 channel-not-allowed")},
		{setting: de + "channels/channel/ref", common: page{"service": `<default-channels><channel ref="longpoll"/></default-channels>`}, add: page{"plain": `<channels><channel ref="streaming"/></channels>`}, see: lists,
			want: seen("websocket streaming longpoll; chat longpoll; plain longpoll; 403 channel-not-allowed", "websocket streaming longpoll; chat longpoll; plain streaming; ok")},
		{setting: de + "properties/server/allow-subtopics", add: topics, see: func(w *world) string { return subscribed("a.b")(w) + ", " + w.post("/longpoll/chat/a.b", "1") },
			want: seen("subtopics-not-allowed allow-subtopics=false, 400 subtopics-not-allowed allow-subtopics=false", "ok, ok")},
		{setting: de + "properties/server/subtopic-separator", common: topics, add: page{"chat-server": "<subtopic-separator>-</subtopic-separator>"},
			see: func(w *world) string {
				c := w.Connect(channel.WebSocket)
				if reply := c.Do("command", `"operation":"subscribe","destination":"chat","headers":{"DSSubtopic":"a-*"}`); says(reply) != "ok" {
					return says(reply)
				}
				c.Next() // subscription-state
				w.post("/longpoll/chat/a-b", `"to a-b"`)
				return "ok, and gets what is sent " + c.Next().Text("body")
			},
			want: seen("bad-subtopic", "ok, and gets what is sent to a-b")},
		{setting: de + "properties/server/disallow-wildcard-subtopics", common: topics, add: page{"chat-server": "<disallow-wildcard-subtopics>true</disallow-wildcard-subtopics>"},
			see: subscribed("a.*"), want: seen("ok", "wildcard-not-allowed disallow-wildcard-subtopics=true")},
		{setting: de + "properties/server/allow-selectors", add: page{"chat-server": "<allow-selectors>false</allow-selectors>"},
			see: func(w *world) string {
				return says(w.Connect(channel.WebSocket).Do("command", `"operation":"subscribe","destination":"chat","headers":{"DSSelector":"a = 1"}`))
			},
			want: seen("ok", "bad-selector allow-selectors=false")},
	}
}

// includeProbes are of the files that a file reads.
func includeProbes() []probe {
	channels := `<channels><channel-definition id="extra"><endpoint url="/extra" class="LongPollEndpoint"/></channel-definition></channels>`
	service := `<services><service id="other" class="MessageService"><destination id="extra"/></service></services>`
	destination := `<destinations><destination id="extra"/></destinations>`
	adapter := `<adapters><adapter-definition id="topics" default="true" class="ActionScriptAdapter"><properties><server><allow-subtopics>true</allow-subtopics></server></properties></adapter-definition></adapters>`
	constraint := `<security-constraints><security-constraint id="extra"/></security-constraints>`
	connected := func(w *world) string { return w.post("/extra", connectLine) }
	sendExtra := func(w *world) string { return w.post("/longpoll/plain", "1") }

	var all []probe
	for _, in := range []struct {
		setting, mark, open, shut, text string
		see                             func(w *world) string
		common                          page
		without, with                   string
	}{
		{"channels/channel-include", "channels", "", "", channels, connected, nil, "404 unknown-endpoint", "ok"},
		{"services/service-include", "services", "", "", service, extraDestination, nil, "404 unknown-destination", "ok"},
		{"services/service/destination-include", "service", "", "", destination, extraDestination, nil, "404 unknown-destination", "ok"},
		{"services/service/adapters/adapter-include", "service", "<adapters>", "</adapters>", adapter, func(w *world) string { return w.post("/longpoll/plain/a", "1") }, nil,
			"400 subtopics-not-allowed allow-subtopics=false", "ok"},
		{"security/security-constraint-include", "security", "", "", constraint, sendExtra, page{"plain-attributes": `security-constraint="extra"`}, startsNot, "401 login-required"},
	} {
		name := in.setting[strings.LastIndexByte(in.setting, '/')+1:]
		one := page{in.mark: in.open + "<" + name + ` file-path="more/one.xml"/>` + in.shut, "more/one.xml": in.text}
		dir := page{in.mark: in.open + "<" + name + ` directory-path="more"/>` + in.shut, "more/one.xml": in.text, "more/two.txt": "no XML"}
		for path, add := range map[string]page{in.setting: one, in.setting + "/file-path": one, in.setting + "/directory-path": dir} {
			all = append(all, probe{setting: path, common: in.common, add: add, see: in.see, want: seen(in.without, in.with)})
		}
	}
	return all
}
