import { Deferred } from "./Deferred.js";
import { Fault } from "./Fault.js";
import type { FlexClient } from "./FlexClient.js";
import { base64, type AcknowledgeMessage } from "./message.js";
import { newId, type Request } from "./Request.js";

/** Who has logged in. */
export interface Login {
	readonly user: string;
	readonly roles: readonly string[];
}

/** What an Account tells. */
interface AccountEvents {
	/** Somebody is logged in now, or nobody any more. */
	changed(authenticated: boolean): void;
	/** The server has refused the login. */
	refused(fault: Fault): void;
}

/** @internal Whom a ChannelSet logs in with each new client of the server, and who is logged in. */
export class Account {
	#credentials: { readonly user: string; readonly password: string } | undefined;
	#login: Deferred<Login> | undefined;
	#user: string | undefined;

	constructor(private readonly events: AccountEvents) {}

	/** Who is logged in. */
	get user(): string | undefined {
		return this.#user;
	}

	set user(user: string | undefined) {
		const was = this.#user !== undefined;
		this.#user = user;
		if (was !== (user !== undefined)) this.events.changed(user !== undefined);
	}

	/** Wants to be this user from now on. Resolves with the next login. */
	want(user: string, password: string): Promise<Login> {
		this.#credentials = { user, password };
		return (this.#login ??= new Deferred()).promise;
	}

	/** Wants to be nobody. */
	forget(): void {
		this.#credentials = undefined;
	}

	/** The client that was logged in is over: the next one is not, unless a login is under way. */
	lapse(): void {
		if (!this.#login) this.forget();
	}

	/** The login cannot come about now. */
	fail(fault: Fault): void {
		this.#login?.reject(fault);
		this.#login = undefined;
	}

	/** The request that logs in, if somebody shall be. Lost with its client it is no fault: the next client asks again. */
	request(client: FlexClient): Request | undefined {
		if (!this.#credentials) return undefined;
		const { user, password } = this.#credentials;
		client.loginAsked = true;
		return {
			line: { type: "command", operation: "login", messageId: newId(), destination: "auth", body: base64(`${user}:${password}`) },
			settle: (reply) => this.#settle(client, reply),
			lost: () => {},
		};
	}

	#settle(client: FlexClient, reply: AcknowledgeMessage | Fault): void {
		const login = this.#login;
		this.#login = undefined;
		if (reply instanceof Fault) {
			this.#credentials = undefined;
			this.events.refused(reply);
			return login?.reject(reply);
		}
		const body = (reply.body ?? {}) as Partial<Login>;
		this.user = client.user = body.user ?? this.#credentials?.user;
		login?.resolve({ user: this.#user ?? "", roles: body.roles ?? [] });
	}
}
