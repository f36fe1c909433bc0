import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Channel, ChannelConfig, ChannelType, Link } from "../src/Channel.js";
import { lost, type Disconnect } from "../src/Disconnect.js";
import { FlexClient } from "../src/FlexClient.js";
import { Hunt } from "../src/Hunt.js";

class FakeChannel implements Channel {
	readonly duplex: boolean;
	readonly held = true;
	attached = 0;
	link: Link | undefined;
	ended: "closed" | "left" | undefined;
	onopen = (): void => {};
	onmessage: Channel["onmessage"] = () => {};
	onclose = (_why: Disconnect): void => {};
	constructor(readonly config: ChannelConfig) {
		this.duplex = config.type === "websocket";
	}
	open(link: Link): void {
		this.link = link;
	}
	attach(): void {
		this.attached++;
	}
	send(): void {}
	leave(): Promise<void> {
		this.ended = "left";
		return Promise.resolve();
	}
	close(): void {
		this.ended ??= "closed";
	}
}

const configs = (["websocket", "streaming", "longpoll"] as ChannelType[]).map((type) => ({ id: type, type, url: type }));

describe("Hunt", () => {
	let made: FakeChannel[];
	let events: string[];
	let tried: string[];

	const client = (): FlexClient => new FlexClient({ waiting: [], tried: [], heartbeatIntervalMillis: 0, hello: () => [], slow: () => {}, broken: () => {} });
	const hunt = (existing?: FlexClient): Hunt =>
		new Hunt(
			configs,
			{
				create: (config) => (made.push(new FakeChannel(config)), made.at(-1) as FakeChannel),
				newClient: client,
				note: ({ channelId, millis, code, detail }) => void tried.push(`${channelId} ${millis} ${code} ${detail}`),
				won: (channel) => void events.push(`won ${channel.config.id}`),
				failed: (config) => void events.push(`failed ${config.id}`),
				over: (why) => void events.push(`over ${why.name}`),
			},
			existing,
			700,
		);
	const connect = (channel: FakeChannel | undefined, id: string): void => void ((channel?.link as FlexClient).id = id);

	beforeEach(() => {
		vi.useFakeTimers();
		made = [];
		events = [];
		tried = [];
	});
	afterEach(() => void vi.useRealTimers());

	it("starts the next at once after a failure, and beside one that hesitates", () => {
		hunt().start();
		expect(made.length).toBe(1);
		made[0]?.onclose(lost());
		expect(made.length).toBe(2);
		vi.advanceTimersByTime(699);
		expect(made.length).toBe(2);
		vi.advanceTimersByTime(1);
		expect(made.length).toBe(3);
		made[1]?.onopen();
		expect(events).toEqual(["failed websocket", "won streaming"]);
		expect(made.map((channel) => channel.ended)).toEqual(["left", undefined, "closed"]); // a duplex channel has a client of its own
		expect(made[1]?.link).toBe(made[2]?.link); // HTTP channels share one client
	});

	it("tells how long each was tried and how it failed, also those that were only slow", () => {
		hunt().start();
		vi.advanceTimersByTime(700);
		made[1]?.onclose({ ...lost(), code: 4528, message: "Full." });
		vi.advanceTimersByTime(300);
		made[2]?.onopen();
		expect(tried).toEqual(["streaming 0 4528 Full.", "websocket 1000 4008 A channel after it was quicker."]);
		tried = [];
		hunt().start();
		vi.advanceTimersByTime(700);
		made[3]?.onopen();
		expect(tried).toEqual([]); // the one after it does not matter
	});

	it("lets a duplex channel win with a client that exists only when that is attached, and tries the next if it is not", () => {
		const existing = client();
		existing.id = "c";
		hunt(existing).start();
		vi.advanceTimersByTime(700);
		made[0]?.onopen();
		expect([events, made[0]?.attached, made[1]?.ended]).toEqual([[], 1, "closed"]);
		made[0]?.onclose(lost());
		expect(made.length).toBe(3);
		hunt(existing).start();
		made[3]?.onopen();
		made[3]?.onmessage({ type: "control", operation: "attached" }, 0);
		expect(events).toEqual(["failed websocket", "won websocket"]);
	});

	it("gives each channel its time and ends when none has worked", () => {
		hunt().start();
		connect(made[0], "");
		vi.advanceTimersByTime(700);
		connect(made[1], "client1"); // connected, but its stream never opens
		vi.advanceTimersByTime(1300);
		expect(events).toEqual(["failed websocket"]);
		vi.advanceTimersByTime(700);
		expect(events).toEqual(["failed websocket", "failed streaming"]);
		vi.advanceTimersByTime(5000);
		expect(events).toEqual(["failed websocket", "failed streaming", "failed longpoll", "over connection-lost"]);
		expect(made[2]?.ended).toBe("left"); // the client that was connected is ended
	});

	it("tells the server's reason rather than that another channel could not reach it", () => {
		hunt().start();
		made[0]?.onclose({ ...lost(), name: "limit-connections", told: true });
		made[1]?.onclose(lost());
		made[2]?.onclose(lost());
		expect(events.at(-1)).toBe("over limit-connections");
	});

	it.each([0, 1, 2])("does not stay away while one channel may be tried again (the one with number %d)", (again) => {
		hunt().start();
		for (let i = 0; i < 3; i++) made[i]?.onclose(i === again ? { ...lost(), name: "limit-streams", reconnect: "after", told: true } : { ...lost(), name: "access-denied", reconnect: "no", told: true });
		expect(events.at(-1)).toBe("over limit-streams");
	});

	it("ends the client of the WebSocket that was too late, and the shared one when the WebSocket wins", () => {
		hunt().start();
		vi.advanceTimersByTime(700);
		connect(made[0], "a");
		connect(made[1], "b");
		made[1]?.onopen();
		expect(made.map((channel) => channel.ended)).toEqual(["left", undefined]);
		made = [];
		hunt().start();
		vi.advanceTimersByTime(1400);
		connect(made[1], "b");
		made[0]?.onopen();
		expect(made.map((channel) => channel.ended)).toEqual([undefined, "closed", "left"]);
	});

	it("never ends the client that exists, and stops when it is gone", () => {
		const existing = client();
		existing.id = "c";
		hunt(existing).start();
		vi.advanceTimersByTime(1400);
		expect(made.every((channel) => channel.link === existing)).toBe(true);
		made[1]?.onclose({ ...lost(), gone: "expired" });
		expect(events).toEqual(["over connection-lost"]);
		expect(made.map((channel) => channel.ended)).toEqual(["closed", "closed", "closed"]);
		expect(existing.ended).toBe(false);
		vi.advanceTimersByTime(10_000);
		expect(made.length).toBe(3);
	});
});
