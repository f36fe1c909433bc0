/** Resolves after so many milliseconds, or as soon as `signal` is aborted. Leaves neither timer nor listener behind. */
export function sleep(millis: number, signal: AbortSignal): Promise<void> {
	return new Promise((resolve) => {
		const over = (): void => {
			clearTimeout(timer);
			signal.removeEventListener("abort", over);
			resolve();
		};
		const timer = setTimeout(over, millis);
		signal.addEventListener("abort", over);
		if (signal.aborted) over();
	});
}
