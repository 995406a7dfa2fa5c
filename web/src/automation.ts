/** `window.tsd`: the page's parts for tests, and for whoever wants to use them from a console. */

import type { Bytes, Distilled } from "./client/messages.js";
import type { App, Result } from "./page/app.js";
import { joined } from "./recognizer.js";

declare global {
  interface Window {
    tsd: Automation;
  }
}

/** A clip of a result, its frames one after the other. */
export interface PlainClip {
  readonly start: number;
  /** X, uint8 RGB (T, H, W, 3). */
  readonly frames: Uint8Array;
  /** Y, uint8 RGB (T_s, H, W, 3). */
  readonly distilled: Uint8Array;
  /** P, float32 (T, T_s). */
  readonly matrix: Float32Array;
  readonly codec: string;
  readonly packets: readonly Uint8Array[];
  readonly order: readonly number[];
  readonly probabilities: readonly number[];
  readonly bytes: { readonly pictures: number; readonly body: number; readonly wholeClip: number | null };
  readonly milliseconds: { readonly distill: number; readonly encode: number; readonly answer: number };
}

/** A result without the page's own types. */
export interface PlainResult {
  readonly label: string;
  readonly score: number;
  readonly classes: readonly string[];
  readonly scores: readonly number[];
  /** Of all classes, by label: the mean over the clips. */
  readonly probabilities: readonly number[];
  readonly clips: readonly PlainClip[];
}

/** What `window.tsd` offers. */
export class Automation {
  /** Resolves once the page can be used; rejects with what it shows otherwise. */
  readonly ready: Promise<void>;

  constructor(private readonly app: Promise<App>) {
    this.ready = app.then(() => undefined);
    this.ready.catch(() => undefined); // main.ts shows it
  }

  /** What LiteRT runs on: {threads}. */
  async runtime(): Promise<{ readonly threads: number }> {
    return (await this.app).distiller.runtime;
  }

  /** Distils a clip, uint8 RGB (T, H, W, 3): its Y, P and milliseconds. */
  async distillFrames(clip: Bytes): Promise<Distilled> {
    return await (await this.app).distiller.distill(clip);
  }

  /** Bytes: of LiteRT's memory, and of the page's scripts where the browser tells. */
  async memory(): Promise<{ readonly litert: number; readonly scripts: number | null }> {
    const scripts = (performance as { memory?: { usedJSHeapSize: number } }).memory?.usedJSHeapSize ?? null;
    return { litert: await (await this.app).distiller.memory(), scripts };
  }

  /** Recognises a video, a Blob or an address on this server; errors are shown, and thrown. */
  async recognizeFile(source: Blob | string): Promise<PlainResult> {
    return plain(await (await this.app).recognizeFile(source));
  }

  /** What was shown last: of a video all its clips, of a camera the last one; null if nothing was. */
  async lastResult(): Promise<PlainResult | null> {
    const { lastResult } = await this.app;
    return lastResult === null ? null : plain(lastResult);
  }
}

function plain({ ranked, probabilities, clips }: Result): PlainResult {
  return {
    label: ranked[0]!.label,
    score: ranked[0]!.score,
    classes: ranked.map(({ label }) => label),
    scores: ranked.map(({ score }) => score),
    probabilities,
    clips: clips.map(({ start, frames, distilled, matrix, encoded, answer, bytes, wholeClip, milliseconds }) => ({
      start,
      frames: joined(frames),
      distilled: joined(distilled),
      matrix,
      ...encoded,
      probabilities: answer.probabilities,
      bytes: { ...bytes, wholeClip: wholeClip?.bytes ?? null },
      milliseconds,
    })),
  };
}
