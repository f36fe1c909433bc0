#!/usr/bin/env python3
"""A client of Sluice in the standard library of Python 3, written from docs/protocol.md.

    python3 client.py [http://127.0.0.1:8080]

One client connects and subscribes, and then receives by long-poll, by a stream and by a WebSocket, one after the other, while it publishes; it loses the
WebSocket, and goes on by another. It takes only what its selector chooses. Where the destination keeps a history, another client goes on behind its position in
the end. It says what happens, and ends with status 0 when every message came exactly once and in order. A client that lives longer
also confirms what it has after confirmIntervalMillis, sends a heartbeat whenever it is silent for as long as it has promised, and takes a heartbeat
unanswered, or a stream or WebSocket silent, for longer than the server says (serverHeartbeatMillis, deadPeerMillis) as a connection lost.
"""

import base64
import hashlib
import http.client
import json
import os
import socket
import struct
import sys
from urllib.parse import urlsplit

TIMEOUT = 10  # seconds that anything may take
DESTINATION, SUBTOPIC, SELECTOR = "chat", "example.python", "part = 'number'"


def main():
    server = urlsplit(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080")
    check(server.scheme == "http" and server.hostname, "the address has to look like http://127.0.0.1:8080")
    urls = channel_urls(server)
    client, count = Client(), 0

    def receive(lines, send):
        client.take(lines)
        if client.confirmation_due():
            send([client.confirm()])

    def publish(n, send):
        nonlocal count
        lines = [client.message(count + i) for i in range(n)]
        count += n
        send(lines)

    print("connect and subscribe, in one request")
    longpoll, streaming = urls["longpoll"], urls["streaming"]
    client.take(post(longpoll, [client.connect(), client.subscribe()], None))
    print("  client", client.id)

    print("publish one by one, and poll")
    for _ in range(10):
        publish(1, lambda lines: client.take(post(longpoll, lines, client)))
    while len(client.received) < count:
        client.take(post(longpoll, [client.poll()], client))

    print("publish what the selector does not choose")
    client.take(post(longpoll, [client.message("does not come", part="text")], client))

    print("publish, lose the answer, and send the same again")
    publish(1, lambda lines: post(longpoll, lines, client))  # the answer is thrown away
    client.take(post(longpoll, client.unanswered(), client))

    print("open a stream: what no poll has brought comes there")
    stream = Stream(streaming, client)
    publish(10, lambda lines: client.take(post(streaming, lines, client)))
    while len(client.received) < count:
        receive([stream.read()], lambda lines: post(streaming, lines, client))

    print("open a WebSocket: the stream is displaced")
    ws = WebSocket(urls["websocket"])
    ws.send([client.attach(DSId=client.id, secret=client.secret), client.heartbeat()])
    publish(10, ws.send)
    while len(client.received) < count or client.open:
        receive(ws.read(), ws.send)
    last = None
    while (line := stream.read()) is not None:
        last = line
    check(last and last.get("operation") == "displaced", f"the stream ended with {last}, not with displaced")

    if client.times["reconnectMillis"] > 0:  # else it would end with its WebSocket, be told gone, and have to connect anew
        print("lose the WebSocket, and go on by another")
        publish(10, ws.send)
        ws.lose()
        ws = WebSocket(urls["websocket"])
        ws.send([client.attach(DSId=client.id, secret=client.secret), *client.unanswered()])
        while len(client.received) < count or client.open:
            receive(ws.read(), ws.send)

    print("disconnect")
    ws.send([client.confirm(), client.request("command", operation="disconnect")])
    while client.end is None:
        client.take(ws.read())
    print(f"  {client.end['code']} {client.end['name']}: {client.end['message']}")
    check(client.end["name"] == "client-disconnect" and not client.open, f"the end was {client.end}")
    ws.close()

    gone = post(longpoll, [client.poll()], client)
    check(gone[0].get("reason") == "expired", f"a client that has ended was answered {gone}")
    check(client.received == list(range(count)), f"received {client.received}, not 0 to {count - 1}")
    if client.position is None:
        print(f"{DESTINATION} keeps no history: who comes later has missed what came meanwhile")
    else:
        count += go_on(longpoll, client.position, count)
    print(f"{count} messages, each once and in order")


def go_on(url, position, count):
    """Publishes as one new client, and comes back as another behind a position; section 11."""
    print("publish as another client, and come back behind the position")
    publisher, late = Client(), Client(position)
    publisher.take(post(url, [publisher.connect()], None))
    bodies = list(range(count, count + 10))
    publisher.take(post(url, [publisher.message(body) for body in bodies], publisher))
    late.take(post(url, [late.connect(), late.subscribe()], None))
    while not late.live:
        late.take(post(url, [late.poll()], late))
    check(late.recovered and late.received == bodies, f"behind {position} it received {late.received}, recovered: {late.recovered}")
    for client in publisher, late:
        client.take(post(url, [client.request("command", operation="disconnect")], client))
    return len(bodies)


def check(ok, complaint):
    if not ok:
        sys.exit(f"FAILED: {complaint}")


class Client:
    """The client's state, which is the same whatever it is connected by: sections 2 to 4."""

    def __init__(self, position=None):
        self.id = self.secret = self.subscription = self.end = None
        self.position = position  # to go on behind, as another client; None: there is no history
        self.recovered = None  # is all there that came behind the position
        self.live = False  # the past is over
        self.seq = 0  # of the last request
        self.attaches = 0
        self.have = 0  # counted lines received
        self.confirmed = 0  # of these, what the server was told of
        self.window = 0  # how many may be unconfirmed
        self.open = {}  # the requests that were not answered, by messageId
        self.times = {}  # what the server said at connect
        self.received = []  # what the application got

    def connect(self):
        return {"type": "command", "operation": "client_ping", "messageId": "connect", "headers": {"DSId": "nil"}}

    def request(self, type, **fields):
        """A numbered request."""
        self.seq += 1
        line = {"type": type, "messageId": f"m{self.seq}", "seq": self.seq, **fields}
        self.open[line["messageId"]] = line
        return line

    def unanswered(self):
        """What is to be sent again when a connection was lost. What has run is answered and not run again: it has the same seq."""
        return list(self.open.values())

    def subscribe(self):
        where = {} if self.position is None else {"position": self.position}
        return self.request("command", operation="subscribe", destination=DESTINATION, headers={"DSSubtopic": SUBTOPIC, "DSSelector": SELECTOR}, **where)

    def message(self, body, part="number"):
        return self.request("async", destination=DESTINATION, headers={"DSSubtopic": SUBTOPIC, "part": part}, body=body)

    def received_so_far(self):
        """have, and got: every reply up to here has come."""
        self.confirmed = self.have
        return {"have": self.have, "got": min((line["seq"] for line in self.open.values()), default=self.seq + 1) - 1}

    def attach(self, **fields):
        self.attaches += 1
        return {"type": "control", "operation": "attach", "attach": self.attaches, **self.received_so_far(), **fields}

    def heartbeat(self):
        """A sign of life, and the promise of the next; section 2."""
        return {"type": "command", "operation": "client_ping", "messageId": "heartbeat", "heartbeat": self.times["heartbeatIntervalMillis"]}

    def poll(self):
        self.attaches += 1
        return {"type": "command", "operation": "poll", "messageId": "poll", "attach": self.attaches, **self.received_so_far()}

    def confirm(self):
        return {"type": "control", "operation": "confirm", **self.received_so_far()}

    def confirmation_due(self):
        return self.have - self.confirmed >= max(self.window // 4, 1)

    def take(self, lines):
        """Takes lines that came, in their order."""
        for line in lines:
            kind, operation = line["type"], line.get("operation")
            if kind == "error":
                sys.exit(f"FAILED: {line}")
            elif kind == "acknowledge":
                self.open.pop(line.get("correlationId"), None)
                headers = line.get("headers", {})
                if "DSId" in headers:  # of connect
                    self.id, self.secret, self.times = headers["DSId"], headers["DSSecret"], line["body"]
            elif kind == "control":
                if operation == "attached":
                    self.window = line["window"]["messages"]
                    self.times.update((name, value) for name, value in line.items() if name in self.times)  # of another channel than before
                elif operation == "skip":
                    self.have += line["count"]
                elif operation == "disconnect":
                    self.end = line
                elif operation in ("gone", "displaced"):
                    sys.exit(f"FAILED: {line}")
            else:  # everything else is counted
                self.have += 1
                if kind == "async":
                    self.received.append(line["body"])
                elif kind == "subscription-state":
                    self.recovered = line.get("recovered", self.recovered)
                    self.live = self.live or operation == "live"
                elif kind == "loss":
                    sys.exit(f"FAILED: {line}")
                self.position = line.get("position", self.position)


def channel_urls(server):
    """The configuration for clients, section 9."""
    connection = http.client.HTTPConnection(server.hostname, server.port, timeout=TIMEOUT)
    connection.request("GET", "/config.json")
    answer = connection.getresponse()
    check(answer.status == 200, f"/config.json was answered {answer.status}")
    config = json.load(answer)
    connection.close()
    fill = lambda url: url.replace("{server.name}", server.hostname).replace("{server.port}", str(server.port or 80))
    return {channel["type"]: urlsplit(fill(channel["url"])) for channel in config["channels"]}


def encode(lines):
    return "\n".join(json.dumps(line) for line in lines).encode()


def decode(data):
    """The lines in what came; NULs and empty lines mean nothing."""
    return [json.loads(line) for line in data.replace(b"\0", b"").split(b"\n") if line.strip()]


def begin(url, query, lines, client):
    """Begins a POST and returns the connection and the answer, of which the body is still to be read."""
    headers = {"Content-Type": "application/json"}
    if client is not None:
        headers["Authorization"] = f"Bearer {client.id}.{client.secret}"
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=TIMEOUT + 30)  # a poll may be held
    connection.request("POST", url.path + query, encode(lines), headers)
    return connection, connection.getresponse()


def post(url, lines, client):
    connection, answer = begin(url, "", lines, client)
    try:
        return decode(answer.read())
    finally:
        connection.close()


class Stream:
    """An answer that does not end, section 5."""

    def __init__(self, url, client):
        self.connection, self.answer = begin(url, "?command=open", [client.attach()], client)
        check(self.answer.status == 200, f"the stream was answered {self.answer.status}")

    def read(self):
        """The next line; None at the end."""
        while data := self.answer.readline():
            if lines := decode(data):
                return lines[0]
        self.connection.close()
        return None


class WebSocket:
    """As much of RFC 6455 as a client needs."""

    TEXT, CLOSE, PING, PONG = 1, 8, 9, 10

    def __init__(self, url):
        self.socket = socket.create_connection((url.hostname, url.port), TIMEOUT)
        self.input = self.socket.makefile("rb")
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(
            f"GET {url.path} HTTP/1.1\r\nHost: {url.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: sluice\r\n\r\n".encode()
        )
        status = self.input.readline()
        headers = http.client.parse_headers(self.input)
        accept = base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()
        check(b" 101 " in status and headers["Sec-WebSocket-Accept"] == accept, f"the handshake was answered {status}")

    def send(self, lines):
        self.frame(self.TEXT, encode(lines))

    def frame(self, kind, payload):
        """Sends a frame, masked as a client's must be (section 5.3)."""
        size = len(payload)
        if size < 126:
            head = struct.pack("!BB", 0x80 | kind, 0x80 | size)
        elif size < 1 << 16:
            head = struct.pack("!BBH", 0x80 | kind, 0x80 | 126, size)
        else:
            head = struct.pack("!BBQ", 0x80 | kind, 0x80 | 127, size)
        mask = os.urandom(4)
        self.socket.sendall(head + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload)))

    def read(self):
        """The lines of the next message; none when the server closes."""
        message = b""
        while True:
            first, size = self.exactly(2)
            if size == 126:
                (size,) = struct.unpack("!H", self.exactly(2))
            elif size == 127:
                (size,) = struct.unpack("!Q", self.exactly(8))
            payload, kind = self.exactly(size), first & 0x0F
            if kind == self.PING:
                self.frame(self.PONG, payload)
            elif kind == self.CLOSE:
                self.closed = struct.unpack("!H", payload[:2])[0]
                self.frame(self.CLOSE, payload)
                return []
            elif kind != self.PONG:
                message += payload
                if first & 0x80:  # the last fragment
                    return decode(message)

    def exactly(self, n):
        data = self.input.read(n)
        check(len(data) == n, "the WebSocket was cut off")
        return data

    def lose(self):
        """Breaks the connection, as a network does."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.input.close()
        self.socket.close()

    def close(self):
        """Says goodbye in return, after the server's disconnect line."""
        check(self.read() == [] and self.closed == 1000, "the WebSocket was not closed in order")
        self.socket.close()


if __name__ == "__main__":
    try:
        main()
    except (OSError, http.client.HTTPException) as e:
        sys.exit(f"FAILED: the server cannot be reached: {e}")
    except json.JSONDecodeError as e:
        sys.exit(f"FAILED: what answered is no Sluice server: {e}")
