// The demo page: two independent clients of one chat, each with its own ChannelSet.
import { ChannelSet, Consumer, Producer } from "./sluice.mjs";

const names = { websocket: "WebSocket", streaming: "Streaming", longpoll: "Long-poll" };
const rooms = { "room.lobby": "Lobby", "room.tea": "Tea house", "room.*": "All rooms" };
const reasons = { timeout: "Timed out", shutdown: "The server is going down", vanished: "Connection lost" }; // in short; else the server's sentence
const page = crypto.getRandomValues(new Uint32Array(1))[0]; // tells our own messages, whose latency can be measured, from others'
const kept = 200; // messages and journal entries shown
const gate = document.getElementById("gate");
const calm = matchMedia("(prefers-reduced-motion: reduce)");

/** Makes an element with a class and a text. */
function element(tag, className, text) {
	const made = document.createElement(tag);
	if (className) made.className = className;
	if (text !== undefined) made.textContent = text;
	return made;
}

/** Adds an entry to a list that scrolls with what is added, unless the reader has scrolled away, and keeps it short. */
function append(list, item) {
	const follow = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
	list.append(item);
	while (list.childElementCount > kept) list.firstElementChild.remove();
	if (follow) list.scrollTop = list.scrollHeight;
}

/** Fills a row of choices. */
function segments(row, choices, name, checked, onchange) {
	for (const [value, title] of Object.entries(choices)) {
		const label = element("label");
		const input = element("input");
		Object.assign(input, { type: "radio", name, value, checked: value === checked });
		input.dataset.testid = `${name.replace(/^(left|right)-/, "")}-${value}`;
		input.addEventListener("change", () => onchange(value));
		label.append(input, element("span", "", title));
		row.append(label);
	}
}

/** One bank: a client of its own, and what it sees. */
class Bank {
	constructor(side, title) {
		this.side = side;
		this.root = document.getElementById("bank").content.firstElementChild.cloneNode(true);
		this.root.classList.add(side);
		this.root.dataset.testid = side;
		this.root.setAttribute("aria-labelledby", `${side}-title`);
		const heading = this.find("h2");
		heading.textContent = title;
		heading.id = `${side}-title`;
		const input = this.find("input[type=text]");
		input.id = `${side}-say`;
		this.find(".say label").htmlFor = input.id;

		this.channel = "auto";
		this.room = "room.lobby";
		this.received = this.sent = 0;
		this.latencies = [];
		this.bursts = {}; // the entry of the last burst, by who sent it
		this.faults = {}; // the journal's entries of failures since the last end, by channel
		this.rooms = true; // the destination has subtopics
		segments(this.find(".channel .segments"), { auto: "Auto", ...names }, `${side}-channel`, "auto", (value) => this.start(value));
		segments(this.find(".room .segments"), rooms, `${side}-room`, this.room, (value) => this.enter(value));
		this.find(".say").addEventListener("submit", (event) => {
			event.preventDefault();
			const text = input.value.trim();
			if (text !== "") this.publish({ text });
			input.value = "";
			this.enable();
		});
		input.addEventListener("input", () => this.enable());
		this.act("burst", () => this.burst());
		this.act("disconnect", () => this.set.disconnectAll());
		this.act("reconnect", () => this.start(this.channel));
	}

	find(selector) {
		return this.root.querySelector(selector);
	}

	act(name, action) {
		this.find(`[data-act=${name}]`).addEventListener("click", action);
	}

	// The client.

	/** Begins with a new client over the channel chosen. */
	start(channel) {
		const old = this.set;
		this.channel = channel;
		if (old && this.live) this.note("", 4000, "The old client left.", "client-disconnect");
		const channels = channel === "auto" ? "/config.json" : all.filter((entry) => entry.type === channel);
		const set = (this.set = new ChannelSet({ channels, destination, name: this.side }));
		void old?.disconnectAll();
		this.live = this.rooms = this.fresh = true; // fresh: nothing has come of it yet
		this.status("trying", "Connecting");
		this.label();
		this.note("", "try", channel === "auto" ? "The first channel that works." : `${names[channel]} and nothing else.`);
		set.on("channelConnect", ({ channel: { type }, reconnecting, resumed, held }) => {
			this.faults = {};
			this.fresh = false;
			this.status("up", `Connected over ${names[type]}`);
			const how = resumed ? " again, with nothing lost" : reconnecting ? " again, as a new client" : "";
			const slow = held ? "" : " Other tabs hold the connections of this browser, so messages come a little later.";
			this.note("good", "up", `Connected over ${names[type]}${how}.${slow}`, `client …\u2060${set.clientId.slice(-6)}`);
			if (all.length === 0) void learn();
		});
		set.on("channelFault", ({ channelId, message, code, name, told, setting }) => {
			// One entry of each is enough, and one where nothing can be reached at all: the end before stays in view.
			for (const id of channelId ? [channelId] : Object.keys(this.faults)) this.faults[id]?.remove();
			this.faults[channelId] = channelId
				? this.note("wait", "next", `${channelId} did not work: ${message}`, told && [code, name, setting].filter(Boolean).join(" · "))
				: this.note("wait", "try", "The server's list of channels could not be had. Trying again.", message);
			if (this.fresh && !channelId) this.status("trying", "No list of channels. Trying again");
		});
		set.on("channelDisconnect", (end) => set === this.set && this.ended(end));
		if (!destination) return void set.connect().catch(() => {}); // told by the events
		this.listen();
		this.producer = new Producer({ channelSet: set, destination });
		this.producer.on("fault", ({ fault }) => this.note("bad", fault.code ?? "fault", fault.faultString, fault.faultCode));
	}

	listen() {
		const old = this.consumer?.channelSet === this.set ? this.consumer : undefined;
		const room = this.rooms ? this.room : destination;
		this.consumer = new Consumer({ channelSet: this.set, destination, ...(this.rooms && { subtopic: room }) });
		this.consumer.on("message", ({ message }) => this.take(message));
		this.consumer.on("propertyChange", ({ property, value }) => {
			if (property === "subscribed" && value) this.note("good", "sub", `Subscribed to ${room}.`);
		});
		this.consumer.on("fault", ({ fault }) => {
			this.note("bad", fault.code ?? "fault", fault.faultString, fault.setting);
			if (fault.code !== 4509 || !this.rooms) return;
			this.rooms = false; // a destination without subtopics is one room
			this.label();
			this.listen();
		});
		void this.consumer.subscribe().catch(() => {}); // told by the events
		void old?.disconnect(); // after the new one has come, so that the ChannelSet always has a Consumer
	}

	ended({ code, name, kind, gone, message, setting, incident, willReconnect, retryAfterMillis }) {
		const text = gone === "unknown" ? "The server was restarted, or is another; connecting anew." : message;
		const more = [name, setting, incident && `incident ${incident}`, willReconnect && (retryAfterMillis ? `back in ${Math.ceil(retryAfterMillis / 1000)} s` : "coming back")];
		this.faults = {};
		this.fresh = false;
		this.note(willReconnect ? "wait" : code === 4000 ? "" : "bad", code, text, more.filter(Boolean).join(" · "));
		this.live = willReconnect;
		const why = gone === "unknown" ? "The server was restarted" : (reasons[kind] ?? message);
		this.status(willReconnect ? "trying" : "down", willReconnect ? `${why.replace(/\.$/, "")}. Reconnecting` : `Disconnected: ${code} ${name}`);
	}

	enter(room) {
		this.room = room;
		this.label();
		append(this.find(".messages"), element("li", "note", `You are in: ${rooms[room]}`));
		if (this.live && destination) this.listen();
	}

	get speaks() {
		return this.room === "room.*" ? "room.lobby" : this.room;
	}

	publish(body) {
		this.find("[data-testid=sent]").textContent = ++this.sent;
		return this.producer.send({ ...body, from: this.side, page, at: performance.now() }, this.rooms ? { subtopic: this.speaks } : {});
	}

	burst() {
		for (let n = 1; n <= 100; n++) void this.publish({ text: `${n} of 100`, n });
	}

	// What is seen.

	take({ headers, body }) {
		const { text = body, from, n, at } = Object(body);
		this.find("[data-testid=received]").textContent = ++this.received;
		if (body?.page === page) this.measure(performance.now() - at);
		this.show(typeof text === "string" ? text : JSON.stringify(text), from, n, headers?.DSSubtopic);
		if (body?.page === page && from !== this.side) drop(from);
	}

	show(text, from, n, subtopic) {
		const list = this.find(".messages");
		const last = this.bursts[from];
		if (n > 1 && last?.isConnected) {
			// A burst is one entry that counts, and says whether all came in order.
			const ordered = last.dataset.ordered === "yes" && n === Number(last.dataset.n) + 1;
			Object.assign(last.dataset, { n, ordered: ordered ? "yes" : "no" });
			last.querySelector(".text").textContent = `Burst: ${text}, ${ordered ? "in order" : "out of order"}`;
			return;
		}
		const item = element("li", n ? "burst" : "");
		if (n) {
			Object.assign(item.dataset, { n, ordered: n === 1 ? "yes" : "no" });
			this.bursts[from] = item;
		}
		const known = from === "left" || from === "right";
		item.append(element("span", `who ${known ? from : ""}`, known ? { left: "Left", right: "Right" }[from] : "Other"), element("span", "text", n ? `Burst: ${text}` : text));
		if (this.room === "room.*") item.append(element("span", "where", rooms[subtopic] ?? subtopic));
		append(list, item);
	}

	measure(millis) {
		this.latencies.push(millis);
		if (this.latencies.length > 60) this.latencies.shift();
		if (this.drawing) return;
		this.drawing = requestAnimationFrame(() => {
			this.drawing = 0;
			const { latencies } = this;
			const top = Math.max(2, ...latencies) * 1.15;
			const y = (value) => (31 - (value / top) * 30).toFixed(1);
			const step = 120 / 59;
			const from = 120 - (latencies.length - 1) * step;
			const line = latencies.map((value, i) => `${(from + i * step).toFixed(1)} ${y(value)}`).join("L");
			this.find(".spark .line").setAttribute("d", `M${line}`);
			this.find(".spark .area").setAttribute("d", `M${from.toFixed(1)} 32L${line}L120 32Z`);
			const middle = [...latencies].sort((a, b) => a - b)[Math.floor(latencies.length / 2)];
			this.find("[data-testid=latency]").textContent = middle < 10 ? middle.toFixed(1) : Math.round(middle);
		});
	}

	/** Adds an entry to the journal, and returns it. */
	note(kind, mark, text, more) {
		const item = element("li", kind);
		const time = element("time", "", new Date().toTimeString().slice(0, 8));
		const words = element("span", "", text);
		if (more) words.append(element("span", "more", ` ${more}`));
		item.append(time, element("span", "mark2", mark), words);
		append(this.find(".journal ol"), item);
		return item;
	}

	status(kind, text) {
		this.find(".status").className = `status ${kind}`;
		this.find(".status .words").textContent = text;
		this.up = kind === "up";
		this.enable();
		gate.classList.toggle("open", banks.length > 0 && banks.every((bank) => bank.up));
	}

	/** Lets be used what is of use now. `live`: the client is connected, or is trying; `up`: it is connected. */
	enable() {
		const input = this.find(".say input");
		const talks = this.up && destination !== undefined;
		input.disabled = !this.live || destination === undefined;
		this.find(".say button").disabled = !talks || input.value.trim() === "";
		this.find("[data-act=burst]").disabled = !talks;
		this.find("[data-act=disconnect]").disabled = !this.live;
		this.find(".room").disabled = !this.rooms || destination === undefined;
	}

	/** Says where goes what is said. */
	label() {
		const room = rooms[this.speaks].toLowerCase();
		const where = !destination ? "no destination" : !this.rooms ? destination : this.room === "room.*" ? `the ${room} (you hear all rooms)` : `the ${room}`;
		this.find(".say label").textContent = `Say something to ${where}`;
		this.find(".say input").placeholder = destination ? `To ${where}` : "There is no destination";
		this.enable();
	}
}

/** Lets one message be seen crossing the gate. */
function drop(from) {
	if (calm.matches || gate.childElementCount > 14) return;
	const made = element("div", `drop ${from} lane${Math.floor(Math.random() * 6)}`);
	made.addEventListener("animationend", () => made.remove());
	gate.append(made);
}

/** Shows how a shell takes part. A line may break after each slash of the address and is still copied whole. */
function shell() {
	const { hostname, port, protocol } = location;
	for (const [id, type, command] of [["listen", "streaming", "curl -N "], ["speak", "longpoll", `curl -H 'Content-Type: application/json' -d '{"text":"hello"}' `]]) {
		const url = all.find((entry) => entry.type === type)?.url.replace("{server.name}", hostname).replace("{server.port}", port || (protocol === "https:" ? 443 : 80));
		const code = document.getElementById(id);
		code.parentElement.hidden = !url || !destination;
		if (url) code.replaceChildren(command, ...`${url}/${destination}/room.lobby`.split(/(?<=\/)(?!\/)/).flatMap((part) => [part, element("wbr")]));
	}
	document.querySelector("footer").hidden = [...document.querySelectorAll("footer pre")].every((pre) => pre.hidden);
}

/** Says that the server has no destination of the name this page wants, and offers those it has. */
function missing(offered) {
	const notice = document.getElementById("missing");
	notice.hidden = false;
	notice.querySelector(".choice").hidden = offered.length === 0;
	segments(notice.querySelector(".segments"), Object.fromEntries(offered.map(({ id }) => [id, id])), "destination", undefined, (id) => {
		destination = id;
		shell();
		for (const bank of banks) bank.start(bank.channel);
	});
}

/** Learns what the server has. Where that fails the journals say why, and the first connection asks again. */
async function learn() {
	try {
		const { channels, destinations = [{ id: destination }] } = await (await fetch("/config.json", { signal: AbortSignal.timeout(5000) })).json();
		if (all.length > 0) return; // the other bank was quicker
		all = channels;
		if (!destinations.some(({ id }) => id === destination)) {
			destination = undefined;
			missing(destinations);
			for (const bank of banks) if (bank.set) bank.start(bank.channel);
		}
	} catch {
		// then only "auto" can be chosen
	}
	for (const type of Object.keys(names)) {
		const absent = !all.some((channel) => channel.type === type);
		for (const input of document.querySelectorAll(`[data-testid=channel-${type}]`)) input.disabled = absent;
	}
	shell();
}

const banks = [];
let all = [];
let destination = "chat"; // undefined: none that the server has
for (const [side, title] of [["left", "Left bank"], ["right", "Right bank"]]) banks.push(new Bank(side, title));
gate.before(banks[0].root);
gate.after(banks[1].root);
await learn();
for (const bank of banks) bank.start("auto");
