/** A decoded picture as it lies in memory, and how its colours are meant. */

/** The matrices of colours that videos state; what states nothing counts as BT.601, as FFmpeg takes it. */
export type Matrix = "bt601" | "bt709" | "bt2020";

export type Format = "I420" | "NV12" | "RGBA" | "BGRA";

/** One picture; it can be posted to a worker. */
export interface Planes {
  readonly format: Format;
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
  /** Of each plane: where its first byte is, and bytes from one row to the next. */
  readonly layout: readonly { readonly offset: number; readonly stride: number }[];
  readonly matrix: Matrix;
  readonly isFullRange: boolean;
  /** Clockwise degrees that make the picture upright. */
  readonly rotation: 0 | 90 | 180 | 270;
  /** Whether it is mirrored left to right once it is turned. */
  readonly isMirrored: boolean;
}

/** An RGB picture, three bytes a pixel, row after row. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}
