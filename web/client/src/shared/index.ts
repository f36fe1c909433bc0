/** One connection for all tabs of a browser. The script is both: what pages import, and the worker they share. */
import { Hub, Scene } from "./Hub.js";

export { SharedChannelSet, type SharedChannelSetOptions } from "./SharedChannelSet.js";

const worker = globalThis as unknown as EventTarget & { document?: unknown; SharedWorkerGlobalScope?: unknown };
if (worker.SharedWorkerGlobalScope) {
	const scene = new Scene();
	worker.document = scene;
	const hub = new Hub(scene);
	worker.addEventListener("connect", (event) => hub.connect((event as MessageEvent).ports[0] as MessagePort));
}
