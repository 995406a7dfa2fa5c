/** From frames at the times of their video to frames at one rate; as tsd_tf/video/resampling.py. */

const TOLERANCE = 1e-6; // seconds; times are sums and quotients of floats

/** An item and when it appears, in seconds; null at the end. */
export type Timed<Item> = readonly [seconds: number, item: Item | null];

/**
 * Yields what is on display at k / frameRate, k = 0, 1, ...; one that stays on display comes several times.
 *
 * @param timed the times ascending: each item is on display until the next one's time, the first also before.
 */
export async function* onDisplay<Item>(timed: AsyncIterable<Timed<Item>>, frameRate: number): AsyncGenerator<Item> {
  let count = 0;
  let current: Item | null = null;
  for await (const [time, item] of timed) {
    const first: Item | null = current ?? item;
    while (first !== null && count / frameRate < time - TOLERANCE) {
      yield first;
      count++;
    }
    if (item !== null) current = item;
  }
}
