import { base64 } from "./message.js";
import { newId, type Request } from "./Request.js";

/** Who has logged in. */
export interface Login {
	readonly user: string;
	readonly roles: readonly string[];
}

/** @internal The request that logs in. Lost with its client it is no fault: the next client asks again. */
export function loginRequest(user: string, password: string, settle: Request["settle"]): Request {
	return {
		line: { type: "command", operation: "login", messageId: newId(), destination: "auth", body: base64(`${user}:${password}`) },
		settle,
		lost: () => {},
	};
}
