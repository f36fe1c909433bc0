// Writes src/codes.ts from the server's table, so that both sides explain an end in the same words.
import { readFileSync, writeFileSync } from "node:fs";

const table = new URL("../../../channel/message/codes.json", import.meta.url);
const target = new URL("../src/codes.ts", import.meta.url);

/** One row of codes.json as short as it gets, because every page loads it: the fields in their order, without what only a server has use for, and without what is absent at the end. */
function pack({ code, name, sentence, kind = "refused", reconnect, setting = "", retryAfterMillis = 0, over = false }) {
	const row = [code, name, sentence, kind, reconnect, setting, retryAfterMillis, over && 1];
	while (!row.at(-1)) row.pop();
	return `\t${JSON.stringify(row)},`;
}

/** The text of src/codes.ts for the given rows of codes.json. */
export function render(rows) {
	return `// Generated from channel/message/codes.json by \`npm run codes\`; a test keeps the two equal.
import type { Code, Kind, Reconnect } from "./Code.js";

const rows: readonly (readonly [code: number, name: string, sentence: string, kind: Kind, reconnect: Reconnect, setting?: string, retryAfterMillis?: number, over?: 1])[] = [
${rows.map(pack).join("\n")}
];

/** Every code the server or the client can give, by its number. */
export const codes: Readonly<Record<number, Code>> = Object.fromEntries(
	rows.map(([code, name, sentence, kind, reconnect, setting, retryAfterMillis, over]) => [
		code,
		{ code, name, sentence, kind, reconnect, over: !!over, ...(setting && { setting }), ...(retryAfterMillis && { retryAfterMillis }) },
	]),
);
`;
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
	writeFileSync(target, render(JSON.parse(readFileSync(table, "utf8"))));
}
