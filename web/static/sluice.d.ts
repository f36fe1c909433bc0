// Built from web/client by `npm run build`; do not edit.
/** Who has logged in. */
export interface Login {
    readonly user: string;
    readonly roles: readonly string[];
}

/** Gives the pause before attempt `attempt` (from 0), in milliseconds. */
export type Backoff = (attempt: number) => number;
/**
 * Full jitter: anything from nothing to a bound that doubles with each attempt, so that the clients of a server that was restarted do not
 * come back all at once.
 *
 * @param random numbers from 0 up to 1
 * @param base the first bound in milliseconds. @default 250
 * @param cap the last bound in milliseconds. @default 30000
 */
export declare function fullJitter(random?: () => number, base?: number, cap?: number): Backoff;

/** May a client that was told this code come back: at once (with the usual jitter), never by itself, or after a pause. */
export type Reconnect = "yes" | "no" | "after";
/**
 * What kind of end it is, for an application that need not know every code:
 *
 * - `left`: this side went, or its user logged out.
 * - `timeout`: a configured time ran out while the server was there, such as the session's.
 * - `shutdown`: the server says that it goes down; `retryAfterMillis` says when to come back.
 * - `vanished`: the connection went, or fell silent, without a goodbye of the server; or the server is another and does not know the client.
 * - `away`: this machine or page was asleep (see `awayMillis`), or has no network.
 * - `removed`: somebody else ended it: an administrator, another tab of the session, a newer connection.
 * - `refused`: the server would not serve this: a limit, a right, a mistake, a failure of its own. Or the browser would not.
 */
export type Kind = "left" | "timeout" | "shutdown" | "vanished" | "away" | "removed" | "refused";
/** One row of the table of codes that server, client and documentation share: channel/message/codes.json. */
export interface Code {
    readonly code: number;
    readonly name: string;
    readonly sentence: string;
    readonly kind: Kind;
    /** The client is over with it, and not only a connection. */
    readonly over: boolean;
    readonly reconnect: Reconnect;
    /** How long to stay away where `reconnect` is "after", in milliseconds. */
    readonly retryAfterMillis?: number;
    /** The setting in services-config.xml behind the code. */
    readonly setting?: string;
}

/** What JSON can hold. */
export type Json = null | boolean | number | string | readonly Json[] | {
    readonly [key: string]: Json | undefined;
};
/** Headers of a message, by name. Those that begin with "DS" belong to the protocol. */
export interface Headers {
    readonly [name: string]: Json | undefined;
}
/** Fields that any line may have, named as in the Flex message model. */
interface Common {
    readonly messageId?: string;
    readonly correlationId?: string;
    /** The subscription a line is about. */
    readonly clientId?: string;
    readonly destination?: string;
    readonly headers?: Headers;
    readonly body?: Json;
    /** Milliseconds since 1970, by the server's clock. */
    readonly timestamp?: number;
}
/** A published message. */
export interface AsyncMessage extends Common {
    readonly type: "async";
    /** Its place in its destination, where that keeps history: opaque text to store and hand back, see `Consumer`'s `from`. */
    readonly position?: string;
}
/** The good reply to one request. */
export interface AcknowledgeMessage extends Common {
    readonly type: "acknowledge";
    readonly code?: number;
}
/** The reply to a request that was not served. */
export interface ErrorMessage extends Common {
    readonly type: "error";
    readonly code?: number;
    readonly name?: string;
    readonly faultCode?: string;
    readonly faultString?: string;
    readonly faultDetail?: string;
    readonly setting?: string;
    readonly value?: Json;
    readonly retryAfterMillis?: number;
    readonly incident?: string;
    /** With code 4523: the `seq` the server waits for. */
    readonly expect?: number;
}
/** A request of a client, or the server's word that a subscription is no longer valid. */
export interface CommandMessage extends Common {
    readonly type: "command";
    readonly operation: string;
    readonly code?: number;
    readonly message?: string;
}
/** Says where in the order of what is received a subscription begins or ends. */
export interface SubscriptionState extends Common {
    readonly type: "subscription-state";
    readonly operation: string;
    /** Where the subscription stands, on a destination with history. */
    readonly position?: string;
    /** All of the past that was asked for is there. */
    readonly recovered?: boolean;
}
/** Says that messages which a subscription should have had are missing here in the order. */
export interface LossMessage extends Common {
    readonly type: "loss";
    readonly reason?: string;
    readonly count?: number;
    readonly from?: string;
    readonly to?: string;
}
/** A line about the connection itself. */
export interface ControlMessage {
    readonly type: "control";
    readonly operation: string;
    readonly attach?: number;
    readonly have?: number;
    readonly window?: {
        readonly messages?: number;
        readonly bytes?: number;
    };
    readonly clientIds?: readonly string[];
    readonly count?: number;
    readonly destination?: string;
    readonly waiting?: number;
    readonly limit?: number;
    readonly streamId?: string;
    readonly code?: number;
    readonly name?: string;
    readonly message?: string;
    readonly reason?: string;
    readonly url?: string;
    readonly reconnect?: "yes" | "no" | "after";
    readonly retryAfterMillis?: number;
    readonly setting?: string;
    readonly value?: number;
    readonly incident?: string;
}
/** One line of the protocol. */
export type Line = AsyncMessage | AcknowledgeMessage | ErrorMessage | CommandMessage | SubscriptionState | LossMessage | ControlMessage;
/** A line the client sends: its first key is `type`. */
export type Outgoing = {
    readonly type: "command" | "async" | "control";
} & {
    readonly [field: string]: Json | undefined;
};
/** Reads one line. Undefined: it is no line of the protocol. */
export declare function parseLine(text: string): Line | undefined;
/** How many bytes a text takes on the wire. */
export declare function byteLength(text: string): number;
/** Base64 of the UTF-8 form, as `login` wants it. */
export declare function base64(text: string): string;
/** Takes as many lines from the front of `queue` as fit into `limit` bytes, at least one, and returns them as one frame or body. */
export declare function takeBatch(queue: string[], limit: number): string;
export {};

/** Why a connection ended, or why one could not be made. */
export interface Disconnect {
    readonly code: number;
    readonly name: string;
    readonly kind: Kind;
    /** One sentence for people. */
    readonly message: string;
    readonly reconnect: Reconnect;
    /** With `reconnect` "after": how long the server wants the client to stay away, in milliseconds. */
    readonly retryAfterMillis?: number;
    /** The setting of the server behind it, and what that is set to, in the unit its name says. */
    readonly setting?: string;
    readonly value?: number;
    /** The key under which the server's log tells more. */
    readonly incident?: string;
    /** How long this machine or page was asleep before, in milliseconds, where that was noticed. */
    readonly awayMillis?: number;
    /** The server cannot go on with this client: why. The client connects anew and subscribes again. */
    readonly gone?: string;
    /** The server said so; else the client concluded it. */
    readonly told?: boolean;
}
/** What a line may say of an end. */
interface Words {
    readonly name?: string;
    readonly message?: string;
    readonly faultString?: string;
    readonly reconnect?: Reconnect;
    readonly retryAfterMillis?: number;
    readonly setting?: string;
    readonly value?: unknown;
    readonly incident?: string;
}
/** The end with that code, in the table's words where `line` has none of its own. */
export declare function disconnectOf(code: number, line?: Words): Disconnect;
/** The connection did not outlive the sleep of this machine or page. */
export declare function asleep(awayMillis: number): Disconnect;
/** The connection broke: nobody said why. */
export declare function lost(message?: string): Disconnect;
/** What the last line of a connection says, if this is one: `disconnect`, `gone` or `displaced`. */
export declare function lastWord(line: Line): Disconnect | undefined;
/** The request as a whole was refused: the code of its one `error` line. */
export declare function refused(line: ErrorMessage): Disconnect;
/**
 * How much a reason counts among those of several channels: what the server said, more than that some channel could not reach it; and that one
 * channel may be tried again, more than that another may not.
 */
export declare function weight({ told, reconnect }: Disconnect): number;
export {};

/** The kinds of transport. */
export type ChannelType = "websocket" | "streaming" | "longpoll";
/** One channel of the server, as `/config.json` lists it. */
export interface ChannelConfig {
    readonly id: string;
    readonly type: ChannelType;
    /** Absolute, or relative to the ChannelSet's `baseUrl`; may hold `{server.name}` and `{server.port}`. */
    readonly url: string;
    /** How long the channel may take to prove itself. @default 2000 (longpoll: 5000) */
    readonly connectTimeoutMillis?: number;
    /** How long a reply may take; 0: for ever. @default 0 */
    readonly requestTimeoutMillis?: number;
    /** After a client of this channel is over, log the user in again with the next one. @default true */
    readonly loginAfterDisconnect?: boolean;
}
/** What a channel asks the client it works for. Lines are without their LF. */
export interface Link {
    /** The client's DSId, empty until it is connected. */
    readonly id: string;
    /** Nobody wants this client any more. */
    readonly ended: boolean;
    /** The largest frame or body in bytes that the server takes. */
    readonly maxRequestSize: number;
    /** A stream that has been silent for so long, in milliseconds, is dead; 0: it may be silent. */
    readonly silenceMillis: number;
    /** An HTTP connect under way, which other HTTP channels of the same client wait for. */
    connecting: Promise<void> | undefined;
    /** The value of `Authorization`. */
    bearer(): string;
    /** The lines that connect the client, log it in and subscribe; with `attach`, what is received shall come the same way. */
    hello(attach: boolean): string[];
    /**
     * The line that makes the server deliver here from now on. Each call counts `attach` up and fixes `have`.
     *
     * @param more a poll's `wait` in milliseconds, or the `streamId` of a stream that has proved itself
     */
    attachLine(how: "socket" | "stream" | "poll", more?: {
        readonly wait?: number;
        readonly streamId?: string;
    }): string;
    /** A probe. Its answer proves the way and says nothing more. */
    ping(): string;
    /** The line that ends the client with this id, after nothing but its hello. */
    farewell(): string;
    /** Takes a line that has arrived, and its length. */
    receive(line: Line, size: number): void;
}
/**
 * One way to the server. All kinds have this one shape, so that a ChannelSet falls back from one to the next without knowing which it holds:
 * `open` it, wait for `onopen`, then `attach`, `send` and listen, until `onclose`. After `close` or `onclose` it calls nothing any more.
 */
export interface Channel {
    readonly config: ChannelConfig;
    /** It carries both ways over one connection, which also connects the client: WebSocket. */
    readonly duplex: boolean;
    /** What is received comes at once. False: other tabs hold as many connections as may be held, so this one asks now and then. */
    readonly held: boolean;
    /** A message of the server has arrived: the way has proved itself. An open socket alone proves nothing, proxies open sockets too. */
    onopen: () => void;
    /** A line has arrived; `size` is its length. */
    onmessage: (line: Line, size: number) => void;
    /** The channel has ended by itself. Not called after `close`. */
    onclose: (why: Disconnect) => void;
    /**
     * Connects the client, or proves the way for one that is connected.
     *
     * @param quietly the client goes on elsewhere: nothing but control lines, until `attach`. @default false: over HTTP the proof may attach
     */
    open(link: Link, quietly?: boolean): void;
    /** Makes the server deliver here, once the channel has been chosen. */
    attach(): void;
    /** Sends lines in this order. What cannot leave at once waits. */
    send(lines: readonly string[]): void;
    /** Sends last lines and closes. Resolves once they are answered, or after two seconds; never rejects. Also works on a closed HTTP channel. */
    leave(lines: readonly string[]): Promise<void>;
    /** Closes at once. */
    close(): void;
}
/** How long a channel may take to prove itself, in milliseconds. */
export declare function patienceMillis({ type, connectTimeoutMillis }: ChannelConfig): number;
/** How long `leave` waits for the answer, in milliseconds. */
export declare const leaveMillis = 2000;

/** The WebSocket of browsers, or a class of the same shape such as that of the package `ws`. */
export type WebSocketClass = new (url: string, protocols?: string | string[]) => WebSocketLike;
/** What is used of a WebSocket. */
export interface WebSocketLike {
    readonly readyState: number;
    onopen: ((event: never) => void) | null;
    onmessage: ((event: never) => void) | null;
    onerror: ((event: never) => void) | null;
    onclose: ((event: never) => void) | null;
    send(text: string): void;
    close(code?: number): void;
}
/** A client over one WebSocket. */
export declare class WebSocketChannel implements Channel {
    #private;
    readonly config: ChannelConfig;
    private readonly webSocket;
    readonly duplex = true;
    readonly held = true;
    onopen: Channel["onopen"];
    onmessage: Channel["onmessage"];
    onclose: Channel["onclose"];
    /** @param webSocket absent: this environment has none, and opening fails at once */
    constructor(config: ChannelConfig, webSocket: WebSocketClass | undefined);
    open(link: Link): void;
    attach(): void;
    send(lines: readonly string[]): void;
    leave(lines: readonly string[]): Promise<void>;
    close(): void;
}

/** How a ChannelSet is made. */
export interface ChannelSetOptions {
    /** The channels in the order to try them, or the address of the server's configuration, which lists them. @default "/config.json" */
    readonly channels?: readonly ChannelConfig[] | string;
    /**
     * What relative addresses are relative to, and what `{server.name}` and `{server.port}` stand for.
     * @default the server that this script was loaded from as `/sluice.mjs` or `/sluice.js`; of a bundle or a copy, the page's address
     */
    readonly baseUrl?: string;
    /** Take the channels that the configuration lists for this destination. @default its default channels, else all */
    readonly destination?: string;
    /** The WebSocket class, for environments without one. @default the global one */
    readonly webSocket?: WebSocketClass;
    /** Send a heartbeat after that long without sending, in milliseconds; 0: never. @default what the server asks for */
    readonly heartbeatIntervalMillis?: number;
    /** How long a channel may hesitate until the next one is tried beside it, in milliseconds. @default 700 */
    readonly staggerMillis?: number;
    /**
     * While a channel is up that is not the first of the list, look for a better one after that long, in milliseconds, and then after twice as
     * long each time, with jitter; at once when the network is another. 0: never. Moving there loses, doubles and reorders nothing.
     * @default 5000
     */
    readonly upgradeMillis?: number;
    /** At least that often, in milliseconds. @default 300000 */
    readonly maxUpgradeMillis?: number;
    /** How many messages may wait for a connection; more are refused with `Client.Error.MessageSend`. @default 1000 */
    readonly maxWaiting?: number;
    /**
     * The name under which the tab keeps the client over a reload, in its sessionStorage: one for each ChannelSet that is used at the same time.
     * The ChannelSet of that name in the next page goes on with it, if the server's `reload-grace-millis` lets it: unanswered requests are sent
     * again, Consumers take over the subscriptions that are the same as theirs, with up to 1000 messages that came before them, and those nobody
     * has taken over after five seconds are ended. `disconnectAll` leaves nothing there.
     * @default its number, in the order in which the page makes them
     */
    readonly name?: string;
    /** Random numbers from 0 up to 1, for the jitter. @default Math.random */
    readonly random?: () => number;
    /** Makes the channel for an entry of the list. @default by its type */
    readonly createChannel?: (config: ChannelConfig) => Channel;
}

/** A table of listeners. `Events` names each event and the object its listeners get. */
export declare class Emitter<Events> {
    #private;
    /** Calls `listener` for each event of that name from now on. Returns what ends that. */
    on<Name extends keyof Events>(name: Name, listener: (event: Events[Name]) => void): () => void;
}

/**
 * Why a request failed. `faultCode` is what to decide on: one of the server's (with `code`, see the table), or one of the client's own:
 *
 * - `Client.Error.MessageSend`: it was never sent.
 * - `Client.Error.DeliveryInDoubt`: it was sent, and the server's client ended before it replied.
 * - `Client.Error.RequestTimeout`: no reply came within the time set; it may still have been done.
 * - `Channel.Connect.Failed`: the address of the server's configuration is wrong, so there is nothing to connect to yet.
 * - `Client.Error.TooLarge`: it is larger than the server takes; it was not sent.
 */
export declare class Fault extends Error {
    readonly faultCode: string;
    /** One sentence for people. */
    readonly faultString: string;
    readonly faultDetail: string | undefined;
    readonly name = "Fault";
    /** The server's number for it; undefined for a fault of the client's own. */
    readonly code: number | undefined;
    /** The setting of the server behind it, and that setting's value. */
    readonly setting: string | undefined;
    readonly value: Json | undefined;
    /** When to try again, in milliseconds. */
    readonly retryAfterMillis: number | undefined;
    /** The key under which the server's log tells more. */
    readonly incident: string | undefined;
    constructor(faultCode: string, 
    /** One sentence for people. */
    faultString: string, faultDetail?: string | undefined, line?: Partial<ErrorMessage>);
    /** The fault an `error` line tells. */
    static of(line: ErrorMessage): Fault;
}

/** A channel was connected. */
export interface ChannelConnect {
    readonly channelId: string;
    readonly channel: ChannelConfig;
    /** It was not the first since `connect`. */
    readonly reconnecting: boolean;
    /** The server's client is the one from before: nothing was lost. */
    readonly resumed: boolean;
    /** The id of the channel that this one has taken over from, where that was still up: a better one has proved itself. Nothing was interrupted. */
    readonly movedFrom?: string;
    /** False: messages come with a delay, because other tabs of this browser hold as many connections as may be held. See `ChannelSet.held`. */
    readonly held: boolean;
}
/** The connection has ended; every field of Disconnect says why. */
export interface ChannelDisconnect extends Disconnect {
    readonly channelId: string;
    /** The ChannelSet tries to come back by itself. */
    readonly willReconnect: boolean;
    /** The server does not want this client back; `connect` tries all the same. */
    readonly rejected: boolean;
}
/**
 * One channel did not work, and the next is tried; or the configuration that lists them could not be read, and is asked for again. Of a channel that
 * failed without a word the server is asked why, and this comes with the answer, or when another channel is up.
 */
export interface ChannelFault extends Disconnect {
    /** Empty: it was the configuration. */
    readonly channelId: string;
    readonly faultCode: "Channel.Connect.Failed";
}
/** A message has arrived. */
export interface MessageEvent {
    readonly message: AsyncMessage;
    /** So many older messages with the same key it stands for, which do not come, where the server merges. */
    readonly merged?: number;
}
/** The subscription has asked for the past: the messages that come next, up to `live`. */
export interface Recovered {
    /** All of it is there. False: some is gone for ever; a `loss` says what. */
    readonly recovered: boolean;
    /** The position it has asked to go on from; absent where it was none. */
    readonly from?: string;
}
/** Messages that the subscription should have had, here in the order, do not come. */
export interface Loss {
    readonly destination: string;
    /** `history`: the server does not keep them any more; `slow-consumer`, `expired` and others as the protocol names them. */
    readonly reason: string;
    /** How many, where that is known. */
    readonly count?: number;
    /** Missing is what came after this position, and up to that one, as far as they are known. */
    readonly from?: string;
    readonly to?: string;
}
/** The past has come: from here on messages arrive as they are published. */
export interface Live {
    /** Where the past ends. */
    readonly position?: string;
}
/** This client reads too slowly: so many messages wait for it at the server. At the limit the destination's `slow-consumer-policy` acts. */
export interface Slow {
    readonly destination: string;
    readonly waiting: number;
    readonly limit: number;
    readonly setting?: string;
}
/** A request was acknowledged. */
export interface AcknowledgeEvent {
    readonly acknowledge: AcknowledgeMessage;
    /** The messageId of the request. */
    readonly correlationId: string;
}
/** A request has failed. */
export interface FaultEvent {
    readonly fault: Fault;
    /** The messageId of the request; absent where there is none. */
    readonly correlationId?: string;
}
/** A property has another value. */
export interface PropertyChange {
    readonly property: "connected" | "authenticated" | "subscribed" | "clientId" | "shared";
    readonly value: boolean | string | undefined;
}
/** The events every object of the library has. A ChannelSet's channel events are told by its agents too. */
export interface Events {
    channelConnect: ChannelConnect;
    channelDisconnect: ChannelDisconnect;
    channelFault: ChannelFault;
    message: MessageEvent;
    recovered: Recovered;
    loss: Loss;
    live: Live;
    slow: Slow;
    acknowledge: AcknowledgeEvent;
    fault: FaultEvent;
    propertyChange: PropertyChange;
}

/** What Consumers and Producers share: a destination, and the ChannelSet they use. */
export declare abstract class MessageAgent extends Emitter<Events> {
    readonly channelSet: ChannelSet;
    /** The id of a destination that the server has configured. */
    readonly destination: string;
    constructor(channelSet: ChannelSet, 
    /** The id of a destination that the server has configured. */
    destination: string);
    /** Ends the agent's subscription and leaves the ChannelSet, which disconnects when its last agent leaves. Using the agent again brings it back. */
    disconnect(): Promise<void>;
}

/**
 * One client of the server, over whichever channel works. Consumers and Producers use it; it connects when the first of them needs it, comes
 * back when a connection is lost, and leaves when its last agent does. All its methods may be called at any time.
 *
 * It survives what happens to pages: throttled timers, sleep of the machine, a network that comes and goes, the browser's back/forward cache,
 * and a reload, after which the ChannelSet of the same name (see `ChannelSetOptions.name`) goes on with the client of the page before. As long
 * as the server keeps the client, nothing is lost and nothing comes twice (`channelConnect` has `resumed`). Where it does not, the ChannelSet
 * connects anew, and its Consumers subscribe again.
 */
export declare class ChannelSet extends Emitter<Events> {
    #private;
    constructor(options?: ChannelSetOptions);
    /** A channel is up. */
    get connected(): boolean;
    /** Somebody is logged in. */
    get authenticated(): boolean;
    /** Who is logged in. */
    get user(): string | undefined;
    /** The channel that is up. */
    get currentChannel(): ChannelConfig | undefined;
    /** Messages come at once. False while other tabs of this browser hold as many connections as may be held: then this one asks now and then. */
    get held(): boolean;
    /** The server's name for this client (DSId), for logs; it authorises nothing. */
    get clientId(): string | undefined;
    /** Connects, if it has not; a Consumer or Producer does so by itself. Rejects with a Fault when the server refuses, or `disconnectAll` comes first. */
    connect(): Promise<void>;
    /**
     * Logs in, connecting if need be, and again with each new client of the server, until `logout`; only once where the channel has
     * `loginAfterDisconnect` false. Rejects with a Fault if the server refuses. The password is kept in memory for that.
     */
    login(user: string, password: string): Promise<Login>;
    /** Logs out, once there is a connection if the server keeps the client. The server ends the client with it (code 4011); `connect` begins anew, as nobody. */
    logout(): Promise<void>;
    /** Lets one agent go. With the last one the ChannelSet disconnects. */
    disconnect(agent: MessageAgent): Promise<void>;
    /** Lets all agents go and disconnects at once; over HTTP by one request that outlives the page. The next page does not go on with the client. */
    disconnectAll(): Promise<void>;
}

/** Every code the server or the client can give, by its number. */
export declare const codes: Readonly<Record<number, Code>>;

/**
 * Where in the past of its destination a subscription begins, where that keeps history: behind the message with this position, with the last so
 * many messages, with the first since that time, or with the earliest that is kept.
 */
export type From = string | {
    readonly last: number;
} | {
    readonly since: Date;
} | "earliest";
/** How a subtopic is asked for, with its selector and the most messages a second. */
export declare function topic(subtopic?: string, selector?: string, maxFrequency?: number): string;
/** What a Consumer and a MultiTopicConsumer share: the wish for a subscription, which outlives connections and clients. */
export declare abstract class Subscription extends MessageAgent {
    #private;
    /** Where the next `subscribe` begins. Undefined: with the next message. */
    from: From | undefined;
    constructor(channelSet: ChannelSet, destination: string, 
    /** Where the next `subscribe` begins. Undefined: with the next message. */
    from: From | undefined);
    /**
     * Where the subscription stands, on a destination with history: behind the last message it has told. It is kept here by itself, over lost
     * connections and clients; for longer, store it and hand it back as `from`.
     */
    get position(): string | undefined;
    /** The server holds the subscription. */
    get subscribed(): boolean;
    /** The server's id of the subscription. */
    get clientId(): string | undefined;
    /**
     * Subscribes, connecting if need be, and again with each new client of the server, until `unsubscribe` or `disconnect`. Resolves when the
     * server holds the subscription, rejects with a Fault if it refuses.
     */
    subscribe(): Promise<void>;
    /** Ends the subscription. From now on there are no messages; resolves when the server has ended it too, which may take until a lost connection is back. */
    unsubscribe(): Promise<void>;
}

/** How a Consumer is made. */
export interface ConsumerOptions {
    readonly channelSet: ChannelSet;
    readonly destination: string;
    /** Names joined by the destination's separator; `*` stands for one name, at the end for one or more. @default messages without a subtopic */
    readonly subtopic?: string;
    /** A condition on the headers of messages, in the grammar of JMS: of the others none comes. @default none */
    readonly selector?: string;
    /** At most so many messages a second. What is above that goes by the destination's policy. @default as many as there are */
    readonly maxFrequency?: number;
    /** Where in the past of its destination it begins, see From. A destination without history refuses it. @default with the next message */
    readonly from?: From;
}
/**
 * Receives the messages of one destination and subtopic, by its event `message`. Subtopic, selector and frequency may be changed while it is
 * subscribed: what both the old and the new wish ask for is not interrupted. A refusal is told by the event `fault`, and takes the change back.
 */
export declare class Consumer extends Subscription {
    #private;
    constructor(options: ConsumerOptions);
    get subtopic(): string | undefined;
    set subtopic(subtopic: string | undefined);
    /** A condition on the headers of messages. */
    get selector(): string | undefined;
    set selector(selector: string | undefined);
    /** At most so many messages a second. */
    get maxFrequency(): number | undefined;
    set maxFrequency(maxFrequency: number | undefined);
}

/**
 * Cuts a stream of bytes into lines, wherever the chunks were cut: in the middle of a line or of a character. A line is given out once
 * its LF has arrived; NUL bytes and empty lines, which the server sends as padding and heartbeats, are dropped.
 */
export declare class LineParser {
    #private;
    private readonly limit;
    /** @param limit the longest line in bytes that is taken. @default 16 MiB */
    constructor(limit?: number);
    /** The lines that `chunk` completes, without their LF. Throws a Fault when a line is longer than the limit. */
    feed(chunk: Uint8Array): string[];
}

/** What StreamingChannel and LongPollChannel share: connecting and sending by POST. */
export declare abstract class HttpChannel implements Channel {
    #private;
    readonly config: ChannelConfig;
    readonly duplex = false;
    onopen: Channel["onopen"];
    onmessage: Channel["onmessage"];
    onclose: Channel["onclose"];
    constructor(config: ChannelConfig);
    open(link: Link, quietly?: boolean): void;
    /** What is received comes over a connection that the browser lets this tab hold. */
    get held(): boolean;
    abstract attach(): void;
    send(lines: readonly string[]): void;
    leave(lines: readonly string[]): Promise<void>;
    close(): void;
}

/**
 * Receives by the answers to polls, sends by POST. While other tabs hold as many connections as may be held its polls are answered at once,
 * at the pace the server names; each looks whether one has become free.
 */
export declare class LongPollChannel extends HttpChannel {
    #private;
    attach(): void;
}

/** How a MultiTopicConsumer is made. */
export interface MultiTopicConsumerOptions {
    readonly channelSet: ChannelSet;
    readonly destination: string;
    /** Where in the past of its destination it begins, see From. A destination without history refuses it. @default with the next message */
    readonly from?: From;
}
/** Receives the messages of any number of subtopics of one destination, under one subscription. Each message comes once. */
export declare class MultiTopicConsumer extends Subscription {
    #private;
    constructor(options: MultiTopicConsumerOptions);
    /** The subtopics asked for, each with its selector and frequency where it has them. */
    get subscriptions(): readonly {
        readonly subtopic: string;
        readonly selector: string;
        readonly maxFrequency: number;
    }[];
    /** Adds a subtopic. While subscribed only the difference travels. A refusal is told by the event `fault`. */
    addSubscription(subtopic: string, selector?: string, maxFrequency?: number): void;
    /** Takes a subtopic away again. */
    removeSubscription(subtopic: string, selector?: string, maxFrequency?: number): void;
}

/** How a Producer is made. */
export interface ProducerOptions {
    readonly channelSet: ChannelSet;
    readonly destination: string;
    /** Where messages go unless `send` says otherwise. */
    readonly subtopic?: string;
    /** Headers of every message. */
    readonly defaultHeaders?: Headers;
}
/** What may be said of one message. */
export interface SendOptions {
    /** One subtopic, or several: each subscriber still gets the message once. */
    readonly subtopic?: string | readonly string[];
    readonly headers?: Headers;
    /** The message's id, of at most 256 bytes; it must be unique. @default made by the client */
    readonly messageId?: string;
}
/** Publishes messages of one destination. */
export declare class Producer extends MessageAgent {
    /** Where messages go unless `send` says otherwise. */
    subtopic: string | undefined;
    /** Headers of every message. */
    defaultHeaders: Headers;
    constructor(options: ProducerOptions);
    /**
     * Publishes a message, now or once connected. Resolves when the server has given it its place in the order; rejects with a Fault, which
     * says whether it may have arrived. To fire and forget, ignore the promise: the events `acknowledge` and `fault` tell the same.
     */
    send(body: Json, options?: SendOptions): Promise<AcknowledgeMessage>;
}

/** Receives by one long answer, sends by POST. */
export declare class StreamingChannel extends HttpChannel {
    #private;
    /** A stream that was not opened quietly is attached by the request that opens it. */
    attach(): void;
    close(): void;
}
export as namespace Sluice;
