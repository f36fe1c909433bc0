/** A promise that is settled from outside. Nobody need listen: a rejection that is not handled stays silent, because an event tells it too. */
export class Deferred<T> {
	resolve!: (value: T) => void;
	reject!: (error: Error) => void;
	readonly promise = new Promise<T>((resolve, reject) => {
		this.resolve = resolve;
		this.reject = reject;
	});

	constructor() {
		this.promise.catch(() => {});
	}
}
