// Builds web/static/sluice.js, sluice.mjs and sluice.d.ts, and sluice-shared.mjs and sluice-shared.d.ts beside them, which are committed so that `go build` alone works. With --check it compares only.
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));
const target = join(root, "../static");
const banner = "// Built from web/client by `npm run build`; do not edit.\n";

/** One script from a file of src. */
async function script(entry, format, more) {
	const result = await build({ entryPoints: [join(root, "src", entry)], bundle: true, minify: true, write: false, target: "es2022", charset: "utf8", legalComments: "none", format, ...more });
	return banner + result.outputFiles[0].text;
}

/** The library itself is not in what goes beside it. */
const beside = { name: "beside", setup: ({ onResolve }) => onResolve({ filter: /^\.\.\/index\.js$/ }, () => ({ path: "./sluice.mjs", external: true })) };

/** All public declarations of the library in one file: those of each source file, without what one imports from the other; and those of the SharedChannelSet. */
function declarations() {
	const out = mkdtempSync(join(tmpdir(), "sluice-"));
	try {
		execFileSync(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", join(root, "tsconfig.build.json"), "--outDir", out]);
		const seen = new Set();
		const files = [];
		const collect = (name) => {
			const path = join(out, `${name}.d.ts`);
			if (seen.has(path) || !existsSync(path)) return;
			seen.add(path);
			const text = readFileSync(path, "utf8");
			for (const [, next] of text.matchAll(/from "\.\/([\w]+)\.js"/g)) collect(next);
			files.push(path);
		};
		collect("index");
		const texts = files.filter((path) => !path.endsWith("index.d.ts")).map((path) => readFileSync(path, "utf8").replace(/^import .*;\n/gm, ""));
		const shared = readFileSync(join(out, "shared/SharedChannelSet.d.ts"), "utf8").replace(/^import .*;\n/gm, "");
		return {
			"sluice.d.ts": banner + texts.join("\n") + "export as namespace Sluice;\n",
			"sluice-shared.d.ts": banner + 'import { ChannelSet, type ChannelConfig, type ChannelSetOptions, type Login, type MessageAgent } from "./sluice.js";\n' + shared,
		};
	} finally {
		rmSync(out, { recursive: true });
	}
}

const outputs = {
	"sluice.js": await script("index.ts", "iife", { globalName: "Sluice", define: { "import.meta.url": "undefined" } }),
	"sluice.mjs": await script("index.ts", "esm", {}),
	"sluice-shared.mjs": await script("shared/index.ts", "esm", { plugins: [beside] }),
	...declarations(),
};
const check = process.argv.includes("--check");
for (const [name, text] of Object.entries(outputs)) {
	const path = join(target, name);
	if (!check) writeFileSync(path, text);
	else if (!existsSync(path) || readFileSync(path, "utf8") !== text) {
		console.error(`web/static/${name} is not what \`npm run build\` makes.`);
		process.exitCode = 1;
	}
}
