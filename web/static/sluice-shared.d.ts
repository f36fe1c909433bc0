// Built from web/client by `npm run build`; do not edit.
import { ChannelSet, type ChannelConfig, type ChannelSetOptions, type Login, type MessageAgent } from "./sluice.js";
/** How a SharedChannelSet is made. Those with equal options are one; `webSocket`, `createChannel` and `random` are for the tab that goes alone. */
export interface SharedChannelSetOptions extends ChannelSetOptions {
    /** The address of `sluice-shared.mjs`, which has to be of the page's own origin. @default where this script was loaded from under that name */
    readonly worker?: string;
}
/**
 * A ChannelSet that all tabs of a browser have in common, for those pages of one origin that ask for one with equal options: a SharedWorker holds
 * the one client of the server, with one connection. Use it as any ChannelSet.
 *
 * - Each tab hears what its own Consumers have subscribed to, and its requests are answered in that tab. Its subscriptions end with the tab,
 *   however that ends; the client leaves the server with the last one.
 * - The login is one for all: `login` and `logout` of one tab are those of all, and each tells `propertyChange`.
 * - What happens to the client happens in all tabs: each gets the channel events. `slow` concerns all; a client the server ends is everybody's.
 * - `disconnect` and `disconnectAll` are for the tab that calls them; the others stay connected.
 * - A page that is reloaded subscribes anew, on the connection that stands as long as there is another tab. The worker ends with its last tab, so
 *   if the only tab is reloaded the client is a new one, logged out: unlike with a ChannelSet, what was published meanwhile it only gets where its
 *   destination has history (see `from` and `position` of Consumers), and what it had sent that was not answered is in doubt.
 * - A worker that dies is started anew by its tabs, which subscribe again; what was not answered fails with `Client.Error.DeliveryInDoubt`.
 *
 * Where there is no SharedWorker or there are no Web Locks (pages without TLS), or the script is of another origin, it is an ordinary ChannelSet of
 * this tab: `shared` says which.
 */
export declare class SharedChannelSet extends ChannelSet {
    #private;
    constructor(options?: SharedChannelSetOptions);
    /** One connection serves all tabs. False: this one has its own. Undefined: it has not tried yet; then `propertyChange` tells. */
    get shared(): boolean | undefined;
    get connected(): boolean;
    get user(): string | undefined;
    get currentChannel(): ChannelConfig | undefined;
    /** Messages come at once; see ChannelSet. As of the last event. */
    get held(): boolean;
    get clientId(): string | undefined;
    connect(): Promise<void>;
    login(user: string, password: string): Promise<Login>;
    logout(): Promise<void>;
    disconnect(agent: MessageAgent): Promise<void>;
    /** Lets all agents of this tab go, and leaves the connection to the other tabs; if there are none, disconnects. */
    disconnectAll(): Promise<void>;
}
