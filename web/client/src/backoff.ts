/** Gives the pause before attempt `attempt` (from 0), in milliseconds. */
export type Backoff = (attempt: number) => number;

/**
 * Full jitter: anything from nothing to a bound that doubles with each attempt, so that the clients of a server that was restarted do not
 * come back all at once.
 *
 * @param random numbers from 0 up to 1
 * @param base the first bound in milliseconds. @default 250
 * @param cap the last bound in milliseconds. @default 30000
 */
export function fullJitter(random: () => number = Math.random, base = 250, cap = 30_000): Backoff {
	return (attempt) => random() * Math.min(cap, base * 2 ** Math.min(attempt, 30));
}
