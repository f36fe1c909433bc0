package main

import (
	"bufio"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// foreign is a file as people have it who come from BlazeDS and LCDS: their classes, their paths, their Java parts.
const foreign = `<?xml version="1.0" encoding="UTF-8"?>
<services-config>
  <services>
    <service id="message-service" class="flex.messaging.services.MessageService">
      <adapters><adapter-definition id="actionscript" class="flex.messaging.services.messaging.adapters.ActionScriptAdapter" default="true"/></adapters>
      <default-channels><channel ref="my-streaming-amf"/><channel ref="my-longpolling-amf"/><channel ref="my-polling-amf"/></default-channels>
      <destination id="feed"><properties><network><subscription-timeout-minutes>0</subscription-timeout-minutes></network><server><durable>false</durable><allow-subtopics>true</allow-subtopics></server></properties></destination>
      <destination id="ticker"><channels><channel ref="my-rtmp"/></channels></destination>
    </service>
    <service id="remoting-service" class="flex.messaging.services.RemotingService"><destination id="products"/></service>
  </services>
  <security><login-command class="flex.messaging.security.TomcatLoginCommand" server="Tomcat"/></security>
  <channels>
    <channel-definition id="my-polling-amf" class="mx.messaging.channels.AMFChannel">
      <endpoint url="http://{server.name}:{server.port}/{context.root}/messagebroker/amfpolling" class="flex.messaging.endpoints.AMFEndpoint"/>
      <properties><polling-enabled>true</polling-enabled><polling-interval-seconds>4</polling-interval-seconds></properties>
    </channel-definition>
    <channel-definition id="my-longpolling-amf" class="mx.messaging.channels.AMFChannel">
      <endpoint url="http://{server.name}:{server.port}/{context.root}/messagebroker/amflongpolling" class="flex.messaging.endpoints.AMFEndpoint"/>
      <properties><polling-enabled>true</polling-enabled><polling-interval-millis>0</polling-interval-millis><wait-interval-millis>60000</wait-interval-millis><max-waiting-poll-requests>200</max-waiting-poll-requests></properties>
    </channel-definition>
    <channel-definition id="my-streaming-amf" class="mx.messaging.channels.StreamingAMFChannel">
      <endpoint url="http://{server.name}:{server.port}/{context.root}/messagebroker/streamingamf" class="flex.messaging.endpoints.StreamingAMFEndpoint"/>
    </channel-definition>
    <channel-definition id="my-rtmp" class="mx.messaging.channels.RTMPChannel">
      <endpoint url="rtmp://{server.name}:2037" class="flex.messaging.endpoints.RTMPEndpoint"/>
      <properties><idle-timeout-minutes>0</idle-timeout-minutes></properties>
    </channel-definition>
  </channels>
  <logging><target class="flex.messaging.log.ConsoleTarget" level="Error"><properties><prefix>[BlazeDS] </prefix><includeDate>false</includeDate></properties><filters><pattern>Endpoint.*</pattern></filters></target></logging>
  <system><redeploy><enabled>false</enabled></redeploy></system>
  <servers><server id="main" class="flex.messaging.socketserver.SocketServer"><properties><port>80</port></properties></server></servers>
</services-config>`

// TestBlazeDSFile: the file starts as it is, its channels work, and the limits that it leaves open are those of BlazeDS.
func TestBlazeDSFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const polling, longPolling, streaming = "/messagebroker/amfpolling", "/messagebroker/amflongpolling", "/messagebroker/streamingamf"
		w := start(t, page{"whole": foreign}, false)
		if w.starts() != starts || !w.checked() {
			t.Fatal(w.err)
		}
		_, reader := w.welcome(streaming, "User-Agent", "Mozilla/4.0 (compatible; MSIE 8.0)")
		stream := w.do("POST", streaming+"?command=open", `{"type":"control","operation":"attach","attach":1,"have":0}`, append(reader, "User-Agent", "Mozilla/4.0 (compatible; MSIE 8.0)")...)
		lines := bufio.NewReader(stream.Body)
		if said := w.post(streaming, subscribeLine("feed", "a.*"), reader...); said != "ok" {
			t.Errorf("subscribe: %s", said)
		}
		_, poller := w.welcome(longPolling)
		w.post(longPolling, subscribeLine("feed", "a.*"), poller...)
		w.post(longPolling, pollLine(1), poller...) // of the subscription-state
		polled := make(chan string, 1)
		go func() {
			polled <- took(func() { w.Post(longPolling, strings.Replace(pollLine(2), `"have":0`, `"have":1`, 1), poller...) })
		}()
		time.Sleep(50 * time.Second)
		if said := w.post(polling+"/feed/a.b", `"news"`); said != "ok" {
			t.Errorf("publish: %s", said)
		}
		if held := <-polled; held != "50s" {
			t.Errorf("the poll was held for %s", held)
		}
		var got string
		for !strings.Contains(got, `"body":"news"`) {
			line, err := lines.ReadString('\n')
			if err != nil {
				t.Fatalf("%v behind %q", err, got)
			}
			got += line
		}
		if padding := len(got) - len(strings.TrimLeft(got, "\x00")); padding != 2048 {
			t.Errorf("the stream of an old browser begins with %d NULs, want 2048", padding)
		}

		for what, see := range map[string]struct{ got, want string }{
			"a poll with nothing to wait for": {w.pollOnce(polling), "0s ok 4000"},
			"a poll that waits":               {w.pollOnce(longPolling), "1m0s ok 0"},
			"eleven streams, one is open":     {times(10, func(int) string { return w.openStream(streaming) }), strings.Repeat("a stream, ", 9) + "503 limit-streams max-streaming-clients=10"},
			"RTMP":                            {fmt.Sprint(upgrade(w, "/my-rtmp")), "101"},
			"what channels there are":         {ids(w), "my-polling-amf my-longpolling-amf my-streaming-amf my-rtmp"},
			"who may send over what":          {w.post(longPolling+"/ticker", "1"), "403 channel-not-allowed"},
			"Java objects":                    {w.post(longPolling+"/products", "1"), "404 unknown-destination"},
			"what is said of them":            {w.said("RemotingService has no meaning outside Java"), "said"},
		} {
			if see.got != see.want {
				t.Errorf("%s: %q, want %q", what, see.got, see.want)
			}
		}
	})
}

// pollOnce is a poll of a new client.
func (w *world) pollOnce(path string) string {
	_, auth := w.welcome(path)
	return poll(w, path, auth)
}

// openStream opens one for a new client.
func (w *world) openStream(path string) string {
	_, auth := w.welcome(path)
	return w.post(path+"?command=open", "", auth...)
}
