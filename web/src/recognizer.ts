/** From pictures to answers: frames at the clips' rate, distilled here, recognised in the cloud. */

import { clips, type Clip } from "./clips.js";
import type { Distiller } from "./client/distiller.js";
import type { Bytes, Distilled } from "./client/messages.js";
import type { Answer } from "./cloud/answer.js";
import type { Gateway } from "./cloud/gateway.js";
import { encodeClip, numBytes, timeOrder, type EncodedClip } from "./coding/clip_encoder.js";
import { measureWholeClip, type WholeClip } from "./coding/whole_clip.js";
import { StoppedError } from "./errors.js";
import type { Planes } from "./picture/planes.js";
import type { ClientModel, Settings } from "./settings.js";
import { onDisplay, type Timed } from "./video/resampling.js";

/** How distilled frames are to travel. */
export interface Coding {
  readonly codec: string;
  /** 0 to 100. */
  readonly quality: number;
}

/** A clip with everything that was made of it. */
export interface RecognizedClip {
  /** Index of its first frame. */
  readonly start: number;
  /** X, uint8 RGB (H, W, 3) of each. */
  readonly frames: readonly Uint8Array[];
  /** Y, likewise. */
  readonly distilled: readonly Uint8Array[];
  /** P, (T, T_s). */
  readonly matrix: Float32Array;
  readonly encoded: EncodedClip;
  readonly answer: Answer;
  readonly bytes: { readonly pictures: number; readonly body: number };
  readonly wholeClip: WholeClip | null;
  /** Clips of the camera just before it that were left out. */
  readonly leftOut: number;
  /** Of a clip that was encoded frame by frame, the sum. */
  readonly milliseconds: { readonly distill: number; readonly encode: number; readonly answer: number };
}

interface SeenFrame {
  readonly frame: Bytes;
  /** Its coarse features, where they are known already. */
  readonly features: Float32Array<ArrayBuffer> | null;
  readonly milliseconds: number;
}

/** Recognises one stream of pictures at a time. */
export class Recognizer {
  private readonly model: ClientModel;

  constructor(
    private readonly settings: Settings,
    private readonly distiller: Distiller,
    private readonly gateway: Gateway,
    /** Asked for every clip, so that a change holds from the next one on. */
    private readonly coding: () => Coding,
  ) {
    this.model = settings.sidecar;
  }

  /**
   * Yields clip after clip of a video, in order.
   *
   * @throws StoppedError if `signal` says so.
   */
  async *recognize(pictures: AsyncIterable<Timed<Planes>>, signal: AbortSignal): AsyncGenerator<RecognizedClip> {
    const frames = this.frames(pictures, false);
    for await (const clip of clips(frames, this.model.num_frames, this.settings.stride, true)) {
      yield await this.finish(clip, 0, signal);
      if (signal.aborted) throw new StoppedError();
    }
  }

  /**
   * Tells of clip after clip of a camera, until its pictures or `signal` end it. Frames are encoded as they arrive; a
   * clip that is whole while another one is under way is left out.
   *
   * @param tell is called with each clip. What goes wrong with one ends the watching.
   */
  async watch(
    pictures: AsyncIterable<Timed<Planes>>,
    signal: AbortSignal,
    tell: (clip: RecognizedClip) => void,
  ): Promise<void> {
    let leftOut = 0;
    let underWay: Promise<void> | null = null;
    const failures: Error[] = [];
    const { num_frames: length } = this.model;
    const frames = this.frames(pictures, this.distiller.canStream);
    for await (const clip of clips(frames, length, length, false)) {
      if (failures.length > 0 || signal.aborted) break;
      if (underWay !== null) {
        leftOut++;
        continue;
      }
      underWay = this.finish(clip, leftOut, signal)
        .then((finished) => signal.aborted || tell(finished))
        .catch((error: unknown) => void failures.push(error as Error))
        .then(() => void (underWay = null));
      leftOut = 0;
    }
    if (signal.aborted) return;
    await underWay;
    if (failures[0] !== undefined) throw failures[0];
  }

  /** The network's frames at the clips' rate; with features, those that clips need. */
  private async *frames(pictures: AsyncIterable<Timed<Planes>>, streams: boolean): AsyncGenerator<SeenFrame> {
    let index = 0;
    let last: Planes | null = null;
    let frame: Bytes = new Uint8Array();
    for await (const planes of onDisplay(pictures, this.model.frames_per_second)) {
      if (planes !== last) frame = await this.distiller.frame(planes);
      last = planes;
      const isNeeded = streams && (index++ % this.model.num_frames) % this.stride === 0;
      const encoded = isNeeded ? await this.distiller.encodeFrame(frame) : null;
      yield { frame, features: encoded?.features ?? null, milliseconds: encoded?.milliseconds ?? 0 };
    }
  }

  private get stride(): number {
    return this.model.coarse_stride ?? 1;
  }

  private async finish(clip: Clip<SeenFrame>, leftOut: number, signal: AbortSignal): Promise<RecognizedClip> {
    const { start, frames: seen } = clip;
    const { frame_size: size, num_distilled_frames: numDistilled } = this.model;
    const { codec, quality } = this.coding();
    const frames = seen.map(({ frame }) => frame);
    const { frames: stacked, matrix, milliseconds: distill } = await this.distilled(seen);
    const distilled = split(stacked, numDistilled);
    const began = performance.now();
    const encoded = await encodeClip(distilled, size, timeOrder(matrix, numDistilled), codec, quality);
    const sent = performance.now();
    const { answer, bodyBytes } = await this.gateway.classify(encoded, signal);
    const milliseconds = { distill, encode: sent - began, answer: performance.now() - sent };
    if (signal.aborted) throw new StoppedError();
    const travelled = encoded.order.map((index) => distilled[index]!);
    const compared = { frames, distilled: travelled, packets: encoded.packets, codec: encoded.codec, size };
    const wholeClip = await measureWholeClip(compared);
    const bytes = { pictures: numBytes(encoded), body: bodyBytes };
    return { start, frames, distilled, matrix, encoded, answer, bytes, wholeClip, leftOut, milliseconds };
  }

  private async distilled(seen: readonly SeenFrame[]): Promise<Distilled> {
    const clip = joined(seen.map(({ frame }) => frame));
    const features = seen.filter((_, index) => index % this.stride === 0).map(({ features }) => features);
    if (!features.every((found) => found !== null)) return this.distiller.distill(clip);
    const known = new Float32Array(features.length * features[0]!.length);
    features.forEach((found, index) => known.set(found, index * found.length));
    const distilled = await this.distiller.distillFeatures(clip, known);
    const before = seen.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
    return { ...distilled, milliseconds: distilled.milliseconds + before };
  }
}

/** Frames, one after the other. */
export function joined(frames: readonly Uint8Array[]): Bytes {
  const all = new Uint8Array(frames.reduce((sum, frame) => sum + frame.length, 0));
  frames.reduce((at, frame) => {
    all.set(frame, at);
    return at + frame.length;
  }, 0);
  return all;
}

/** The same the other way round. */
export function split(frames: Uint8Array, count: number): Uint8Array[] {
  const length = frames.length / count;
  return Array.from({ length: count }, (_, index) => frames.slice(index * length, (index + 1) * length));
}
