/** Which frames make clips: as tests/contract, tests/video and tests/client have it for the Python client. */

import assert from "node:assert/strict";
import test from "node:test";

import { clips } from "../src/clips.js";
import { timeOrder } from "../src/coding/clip_encoder.js";
import { FrameTimes } from "../src/video/frame_times.js";
import { onDisplay, type Timed } from "../src/video/resampling.js";

async function* stream<Item>(...items: Item[]): AsyncGenerator<Item> {
  yield* await Promise.resolve(items);
}

async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const found: Item[] = [];
  for await (const item of items) found.push(item);
  return found;
}

test("times ascend: equal ones move on, what goes back or jumps belongs to another clock", () => {
  const times = new FrameTimes(25, 0.5);
  const stamps = [0.5, 0.54, 0.54, 0.62, 3, 1, 1.04, 900];
  const found = stamps.map((stamp) => Number(times.add(stamp, 0.04).toFixed(6)));
  assert.deepEqual(found, [0, 0.04, 0.08, 0.12, 2.5, 2.54, 2.58, 2.62]);
  assert.equal(Number(times.end.toFixed(6)), 2.66);
});

test("a rate that is none counts as 25", () => {
  const times = new FrameTimes(90_000, 0);
  times.add(0, 0);
  assert.equal(times.end, 0.04);
});

test("each item is on display until the next one's time, the first also before", async () => {
  const timed: Timed<string>[] = [
    [0.1, "a"],
    [0.2, "b"],
    [0.25, "c"],
    [0.5, null],
  ];
  assert.deepEqual(await all(onDisplay(stream(...timed), 10)), ["a", "a", "b", "c", "c"]);
});

test("a stream that ends at once shows nothing", async () => {
  assert.deepEqual(await all(onDisplay(stream<Timed<string>>([0, null]), 25)), []);
});

const starts = async (count: number, stride = 4, loops = true): Promise<[number, string][]> => {
  const frames = Array.from({ length: count }, (_, index) => index);
  return (await all(clips(stream(...frames), 4, stride, loops))).map(({ start, frames }) => [start, frames.join(" ")]);
};

test("clips follow each other, and the last one ends with the stream", async () => {
  assert.deepEqual(await starts(8), [
    [0, "0 1 2 3"],
    [4, "4 5 6 7"],
  ]);
  assert.deepEqual(await starts(6), [
    [0, "0 1 2 3"],
    [2, "2 3 4 5"],
  ]);
});

test("clips may overlap", async () => {
  assert.deepEqual(await starts(7, 2), [
    [0, "0 1 2 3"],
    [2, "2 3 4 5"],
    [3, "3 4 5 6"],
  ]);
  assert.equal((await starts(8, 2)).length, 3);
});

test("a stream shorter than a clip is looped if it may be, an empty one has none", async () => {
  assert.deepEqual(await starts(3), [[0, "0 1 2 0"]]);
  assert.deepEqual(await starts(0), []);
  assert.deepEqual(await starts(3, 4, false), []);
});

test("columns of P are ordered by their mean time, equal ones as they are", () => {
  // Rows are frames: column 0 looks at the last frame, 1 and 2 at the middle, 3 at the first.
  const matrix = Float32Array.of(0, 0.5, 0, 1, 0, 0, 1, 0, 1, 0.5, 0, 0);
  assert.deepEqual(timeOrder(matrix, 4), [3, 1, 2, 0]);
});
