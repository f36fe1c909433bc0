import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../..", import.meta.url));

/** A running sluice, built from this tree. SLUICE names a binary to use instead. */
export class Sluice {
	private constructor(
		private readonly process: ChildProcess,
		private readonly directory: string,
		/** Where the page is, with a slash at its end. */
		readonly url: string,
		private readonly metricsUrl: string,
	) {}

	/**
	 * @param listen where to listen, as host and port. @default a free port of this machine
	 * @param change makes the configuration from the shipped one. @default the built-in one
	 */
	static async start(listen = "127.0.0.1:0", change?: (shipped: string) => string): Promise<Sluice> {
		const directory = mkdtempSync(join(tmpdir(), "sluice-e2e-"));
		const binary = process.env["SLUICE"] ?? join(directory, "sluice");
		if (!process.env["SLUICE"]) execFileSync("go", ["build", "-o", binary, "./cmd/sluice"], { cwd: root });
		const config = join(directory, "services-config.xml");
		if (change) writeFileSync(config, change(readFileSync(join(root, "services-config.xml"), "utf8")).replace("9080", "0"));
		const child = spawn(binary, ["serve", "--listen", listen, ...(change ? ["--config", config] : [])], { cwd: directory, stdio: ["ignore", "pipe", "pipe"] });
		let heard = "";
		child.stderr.on("data", (chunk) => (heard = (heard + String(chunk)).slice(-8000)));
		const [url, metrics] = await new Promise<[string, string]>((resolve, reject) => {
			let said = "";
			const hear = (chunk: Buffer): void => {
				said += String(chunk);
				const match = /ready: (http:\S+)\n[^]*internal (http:\S+)\n/.exec(said);
				if (match) resolve([match[1] as string, match[2] as string]);
			};
			child.stdout.on("data", hear);
			child.stderr.on("data", hear);
			child.on("exit", (code, signal) => reject(new Error(`sluice ended with ${code ?? signal}: ${said}`)));
		});
		child.on("exit", (code, signal) => {
			if (code !== 0 && signal !== "SIGKILL") console.error(`sluice ended with ${code ?? signal}, having said:\n${heard}`);
		});
		return new Sluice(child, directory, url, metrics);
	}

	/** One of the server's own figures, with its labels if it has any. */
	async metric(name: string): Promise<number> {
		const text = await (await fetch(this.metricsUrl)).text();
		const line = text.split("\n").find((line) => line.startsWith(name + " "));
		if (!line) throw new Error(`the server has no figure ${name}`);
		return Number(line.slice(name.length));
	}

	/** Ends the server in order; by SIGKILL without a word. */
	async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
		const over = new Promise((resolve) => this.process.once("exit", resolve));
		this.process.kill(signal);
		await over;
		rmSync(this.directory, { recursive: true });
	}
}
