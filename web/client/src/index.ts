/** The browser client of Sluice. The wire protocol is described in docs/protocol.md. */
export { type Login } from "./Account.js";
export { fullJitter, type Backoff } from "./backoff.js";
export { type Channel, type ChannelConfig, type ChannelType, type Link } from "./Channel.js";
export { ChannelSet } from "./ChannelSet.js";
export { type ChannelSetOptions } from "./ChannelSetOptions.js";
export { type Code, type Kind, type Reconnect } from "./Code.js";
export { codes } from "./codes.js";
export { Consumer, type ConsumerOptions } from "./Consumer.js";
export { type Disconnect } from "./Disconnect.js";
export * from "./events.js";
export { Fault } from "./Fault.js";
export { LineParser } from "./LineParser.js";
export { LongPollChannel } from "./LongPollChannel.js";
export * from "./message.js";
export { MultiTopicConsumer, type MultiTopicConsumerOptions } from "./MultiTopicConsumer.js";
export { Producer, type ProducerOptions, type SendOptions } from "./Producer.js";
export { StreamingChannel } from "./StreamingChannel.js";
export { WebSocketChannel, type WebSocketClass, type WebSocketLike } from "./WebSocketChannel.js";
