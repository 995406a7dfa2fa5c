/** The running account: what travelled, what the whole clip would have taken, and the times. */

import { nameOf } from "./coding/codecs.js";
import type { RecognizedClip } from "./recognizer.js";

/** Sums over clips. */
export interface Sums {
  readonly clips: number;
  /** Clips of the camera for which there was no time. */
  readonly leftOut: number;
  /** Of the last clip. */
  readonly codec: string;
  /** Coded pictures of the distilled frames. */
  readonly sent: number;
  /** Bodies of the requests. */
  readonly body: number;
  /** Whole clips as H.264; of those clips of which it is known. */
  readonly whole: number;
  /** Coded pictures of the same clips. */
  readonly compared: number;
  readonly distill: number;
  readonly encode: number;
  readonly answer: number;
}

export const NOTHING: Sums = {
  clips: 0,
  leftOut: 0,
  codec: "",
  sent: 0,
  body: 0,
  whole: 0,
  compared: 0,
  distill: 0,
  encode: 0,
  answer: 0,
};

/** What of a clip is counted. */
export type Counted = Pick<RecognizedClip, "encoded" | "bytes" | "wholeClip" | "leftOut" | "milliseconds">;

/** The sums with one clip more. */
export function plus(sums: Sums, clip: Counted): Sums {
  const { encoded, bytes, wholeClip, leftOut, milliseconds } = clip;
  return {
    clips: sums.clips + 1,
    leftOut: sums.leftOut + leftOut,
    codec: encoded.codec,
    sent: sums.sent + bytes.pictures,
    body: sums.body + bytes.body,
    whole: sums.whole + (wholeClip?.bytes ?? 0),
    compared: sums.compared + (wholeClip === null ? 0 : bytes.pictures),
    distill: sums.distill + milliseconds.distill,
    encode: sums.encode + milliseconds.encode,
    answer: sums.answer + milliseconds.answer,
  };
}

/** Rows of a table: what it is, and the value. Bytes are summed, times are means. */
export function rows(sums: Sums): [name: string, value: string][] {
  const { clips, leftOut, codec, sent, body, whole, compared } = sums;
  return [
    ["Clips", leftOut === 0 ? String(clips) : `${clips}, ${leftOut} left out`],
    [`Distilled frames as ${nameOf(codec)}`, bytesText(sent)],
    ["The request that carries them", bytesText(body)],
    ["The whole clip as H.264 of the same quality", whole > 0 ? bytesText(whole) : "cannot be measured here"],
    ["Share of it that was sent", whole > 0 ? `${Math.round((100 * compared) / whole)} %` : "–"],
    ["Time to distil", timeText(sums.distill, clips)],
    ["Time to encode", timeText(sums.encode, clips)],
    ["Time until the answer", timeText(sums.answer, clips)],
  ];
}

function bytesText(bytes: number): string {
  return bytes < 10_000 ? `${bytes.toLocaleString("en")} B` : `${(bytes / 1000).toFixed(1)} kB`;
}

function timeText(milliseconds: number, clips: number): string {
  return clips === 0 ? "–" : `${(milliseconds / clips).toFixed(milliseconds / clips < 10 ? 1 : 0)} ms`;
}
