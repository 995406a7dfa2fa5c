/** What the page asks of the worker that runs the client half, and what it answers. */

import type { FrameSize } from "../picture/network_frame.js";
import type { Planes } from "../picture/planes.js";
import type { ClientModel } from "../settings.js";

/** Bytes that are no shared memory. */
export type Bytes = Uint8Array<ArrayBuffer>;

/** Y and P of one clip. */
export interface Distilled {
  /** uint8 RGB (T_s, H, W, 3). */
  readonly frames: Bytes;
  /** P, float32 (T, T_s), row after row; its columns sum to 1. */
  readonly matrix: Float32Array<ArrayBuffer>;
  /** Milliseconds in LiteRT. */
  readonly milliseconds: number;
}

/** What LiteRT runs on. */
export interface Runtime {
  readonly threads: number;
}

/** The worker's methods. Arguments and answers are copied. */
export interface ClientHalf {
  /** Loads LiteRT and the .tflite file; addresses are absolute. */
  load(wasm: string, model: string, sidecar: ClientModel, hasThreads: boolean): Promise<Runtime>;
  /** The network's frame of a picture, uint8 RGB. */
  frame(planes: Planes, size: FrameSize): Promise<Bytes>;
  /** Distils a clip, uint8 RGB (T, H, W, 3). */
  distill(clip: Bytes): Promise<Distilled>;
  /** The coarse features of one frame, and milliseconds. */
  encodeFrame(frame: Bytes): Promise<{ features: Float32Array<ArrayBuffer>; milliseconds: number }>;
  /** As `distill`, from features (T', h, w, c) of every coarse_stride-th frame. */
  distillFeatures(clip: Bytes, features: Float32Array<ArrayBuffer>): Promise<Distilled>;
  /** Bytes of LiteRT's memory, which only grows. */
  memory(): Promise<number>;
}

export interface Request {
  readonly id: number;
  readonly method: keyof ClientHalf;
  readonly args: readonly unknown[];
}

export type Reply = { readonly id: number } & ({ readonly value: unknown } | { readonly error: string });
