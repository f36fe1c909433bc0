/**
 * The server a script was loaded from, with a slash at its end, if it is one of ours: there the script is `/sluice.mjs` or `/sluice.js`. A bundle,
 * or a copy elsewhere, has another address and no home.
 *
 * @param script the script's absolute address
 */
export function homeOf(script: string | undefined): string | undefined {
	return /^(https?:\/\/[^/?#]+\/)sluice\.m?js(?:[?#]|$)/.exec(script ?? "")?.[1];
}

/** The server this script was loaded from. A plain script has no `import.meta`, and a module no `currentScript`. */
export const home = homeOf((import.meta.url as string | undefined) ?? (globalThis as { document?: { currentScript?: { src?: string } | null } }).document?.currentScript?.src);
