// Writes src/codes.ts from the server's table, so that both sides explain an end in the same words.
import { readFileSync, writeFileSync } from "node:fs";

const table = new URL("../../../channel/message/codes.json", import.meta.url);
const target = new URL("../src/codes.ts", import.meta.url);

/** The text of src/codes.ts for the given rows of codes.json, without what only a server has use for. */
export function render(rows) {
	const lines = rows.map(({ faultCode, httpStatus, ...row }) => `\t${row.code}: ${JSON.stringify(row)},`);
	return `// Generated from channel/message/codes.json by \`npm run codes\`; a test keeps the two equal.
import type { Code } from "./Code.js";

/** Every code the server or the client can give, by its number. */
export const codes: Readonly<Record<number, Code>> = {
${lines.join("\n")}
};
`;
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
	writeFileSync(target, render(JSON.parse(readFileSync(table, "utf8"))));
}
