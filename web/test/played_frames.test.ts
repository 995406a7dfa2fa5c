/** Pictures of a <video>, which is made up here: Node has none. */

import assert from "node:assert/strict";
import test from "node:test";

import { UserError } from "../src/errors.js";
import { playedFrames } from "../src/video/played_frames.js";

type Callback = (now: number, metadata: { mediaTime: number }) => void;

/** Shows a picture at each of some times, then ends, or fails. */
class Player extends EventTarget {
  cancelled = 0;

  constructor(
    private readonly times: number[],
    private readonly last: "ended" | "error" = "ended",
  ) {
    super();
  }

  requestVideoFrameCallback(callback: Callback): number {
    const [mediaTime] = this.times.splice(0, 1);
    setImmediate(() => {
      if (mediaTime === undefined) this.dispatchEvent(new Event(this.last));
      else callback(0, { mediaTime });
    });
    return this.times.length;
  }

  cancelVideoFrameCallback(): void {
    this.cancelled++;
  }
}

let open = 0;

class Frame {
  readonly format = "I420";
  readonly visibleRect = { width: 2, height: 2 };
  readonly colorSpace = { toJSON: (): object => ({ matrix: "bt709", fullRange: true }) };

  constructor() {
    open++;
  }

  allocationSize(): number {
    return 6;
  }

  copyTo(): Promise<object[]> {
    return Promise.resolve([{ offset: 0, stride: 2 }]);
  }

  close(): void {
    open--;
  }
}

Object.assign(globalThis, { VideoFrame: Frame });

async function times(
  player: EventTarget,
  longestPause?: number,
  signal = new AbortController().signal,
): Promise<unknown[]> {
  const found: unknown[] = [];
  for await (const [time, planes] of playedFrames(player as HTMLVideoElement, signal, longestPause)) {
    found.push(planes === null ? "end" : Number(time.toFixed(6)));
    if (planes !== null) assert.deepEqual([planes.matrix, planes.isFullRange, planes.width], ["bt709", true, 2]);
  }
  return found;
}

test("pictures come with the times of the player, counted from the first; then the end", async () => {
  const player = new Player([5, 5.04, 5.1]);
  assert.deepEqual(await times(player), [0, 0.04, 0.1, "end"]);
  assert.equal(player.cancelled, 1);
  assert.equal(open, 0);
});

test("a player that fails in the middle ends them, too", async () => {
  assert.deepEqual(await times(new Player([0, 0.04], "error")), [0, 0.04, "end"]);
});

test("a pause ends them without an end, so that no clip reaches over it", async () => {
  assert.deepEqual(await times(new Player([0, 0.04, 2, 2.04]), 0.5), [0, 0.04]);
});

test("who stops gets no more", async () => {
  const stop = new AbortController();
  stop.abort();
  assert.deepEqual(await times(new Player([0, 0.04]), undefined, stop.signal), []);
});

test("a browser without the callback is told of in a sentence", async () => {
  await assert.rejects(times(new EventTarget()), UserError);
});
