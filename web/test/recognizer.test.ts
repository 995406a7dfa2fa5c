/** From pictures to answers, with a client half and a gateway that are made up. */

import assert from "node:assert/strict";
import test from "node:test";

import type { Distiller } from "../src/client/distiller.js";
import type { Gateway } from "../src/cloud/gateway.js";
import { StoppedError, UserError } from "../src/errors.js";
import type { Planes } from "../src/picture/planes.js";
import { Recognizer, type RecognizedClip } from "../src/recognizer.js";
import type { Settings } from "../src/settings.js";
import type { Timed } from "../src/video/resampling.js";

/** JPEG without a canvas. */
Object.assign(globalThis, {
  ImageData: class {
    readonly data = new Uint8ClampedArray(4);
  },
  OffscreenCanvas: class {
    getContext = (): object => ({ putImageData: (): void => undefined });
    convertToBlob = (): Promise<Blob> => Promise.resolve(new Blob([Uint8Array.of(255)]));
  },
});

/** Frames of one pixel, clips of four, distilled to two; features of every second frame. */
const SETTINGS = {
  stride: 2,
  sidecar: { num_frames: 4, num_distilled_frames: 2, frame_size: 1, frames_per_second: 10, coarse_stride: 2 },
} as Settings;
const DISTILLED = { frames: Uint8Array.of(1, 1, 1, 2, 2, 2), matrix: new Float32Array(8), milliseconds: 5 };

/** Pictures whose width is their number, at the clips' rate. */
async function* pictures(count: number, before: (index: number) => Promise<void>): AsyncGenerator<Timed<Planes>> {
  for (let index = 0; index < count; index++) {
    await before(index);
    yield [index / 10, { width: index } as Planes];
  }
  yield [count / 10, null];
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function made(
  canStream: boolean,
  classify: (clip: number) => Promise<void>,
): { asked: string[]; recognizer: Recognizer } {
  const asked: string[] = [];
  let count = 0;
  const distiller = {
    canStream,
    frame: ({ width }: Planes) => Promise.resolve(new Uint8Array(3).fill(width)),
    encodeFrame: ([value]: Uint8Array) => Promise.resolve({ features: Float32Array.of(value!), milliseconds: 1 }),
    distill(clip: Uint8Array) {
      asked.push(`distill ${clip.filter((_, index) => index % 3 === 0).join(" ")}`);
      return Promise.resolve(DISTILLED);
    },
    distillFeatures(_: Uint8Array, features: Float32Array) {
      asked.push(`features ${features.join(" ")}`);
      return Promise.resolve(DISTILLED);
    },
  } as unknown as Distiller;
  const gateway = {
    async classify() {
      await classify(count++);
      return { answer: { probabilities: [1] }, bodyBytes: 9 };
    },
  } as unknown as Gateway;
  return { asked, recognizer: new Recognizer(SETTINGS, distiller, gateway, () => ({ codec: "jpeg", quality: 50 })) };
}

const live = (): AbortSignal => new AbortController().signal;

test("a video's clips overlap, and are distilled whole", async () => {
  const { asked, recognizer } = made(true, turn);
  const found: RecognizedClip[] = [];
  for await (const clip of recognizer.recognize(pictures(6, turn), live())) found.push(clip);
  assert.deepEqual(asked, ["distill 0 1 2 3", "distill 2 3 4 5"]);
  assert.deepEqual(
    found.map(({ start, bytes, distilled, milliseconds }) => [start, bytes, distilled.length, milliseconds.distill]),
    [
      [0, { pictures: 2, body: 9 }, 2, 5],
      [2, { pictures: 2, body: 9 }, 2, 5],
    ],
  );
});

test("a camera's frames are encoded as they come, those that clips need", async () => {
  const { asked, recognizer } = made(true, turn);
  const found: RecognizedClip[] = [];
  const slowly = async (): Promise<void> => {
    for (let count = 0; count < 20; count++) await turn();
  };
  await recognizer.watch(pictures(8, slowly), live(), (clip) => found.push(clip));
  assert.deepEqual(asked, ["features 0 2", "features 4 6"]);
  assert.deepEqual(
    found.map(({ start, leftOut, milliseconds }) => [start, leftOut, milliseconds.distill]),
    [
      [0, 0, 7],
      [4, 0, 7],
    ],
  );
});

test("a clip that is whole while another one is under way is left out", async () => {
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  const { asked, recognizer } = made(false, (clip) => (clip === 0 ? held : turn()));
  const found: RecognizedClip[] = [];
  const before = async (index: number): Promise<void> => {
    if (index === 9) release();
    for (let count = 0; count < 20; count++) await turn();
  };
  await recognizer.watch(pictures(12, before), live(), (clip) => found.push(clip));
  assert.deepEqual(asked, ["distill 0 1 2 3", "distill 8 9 10 11"]);
  assert.deepEqual(
    found.map(({ leftOut }) => leftOut),
    [0, 1],
  );
});

test("what goes wrong with a clip ends the watching", async () => {
  const { recognizer } = made(false, () => Promise.reject(new UserError("gone")));
  await assert.rejects(
    recognizer.watch(pictures(8, turn), live(), () => assert.fail()),
    /gone/,
  );
});

test("who stops a video hears of no clip more", async () => {
  const stop = new AbortController();
  const { recognizer } = made(false, () => Promise.resolve(stop.abort()));
  const clips = recognizer.recognize(pictures(8, turn), stop.signal);
  await assert.rejects(clips.next(), StoppedError);
});
