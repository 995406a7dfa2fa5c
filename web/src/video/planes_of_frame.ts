/** From WebCodecs' pictures to their planes. */

import type { Format, Matrix, Planes } from "../picture/planes.js";

const FORMATS: Partial<Record<string, Format>> = {
  I420: "I420",
  I420A: "I420",
  NV12: "NV12",
  RGBA: "RGBA",
  RGBX: "RGBA",
  BGRA: "BGRA",
  BGRX: "BGRA",
};

const MATRICES: Partial<Record<string, Matrix>> = { bt709: "bt709", "bt2020-ncl": "bt2020" };

/** How a picture is meant. */
export type Meaning = Pick<Planes, "matrix" | "isFullRange" | "rotation" | "isMirrored">;

/** What colours mean by what a file or a picture states; BT.601 and limited range where it states nothing. */
export function meaningOfColours(space: VideoColorSpaceInit): Pick<Meaning, "matrix" | "isFullRange"> {
  return { matrix: MATRICES[space.matrix ?? ""] ?? "bt601", isFullRange: space.fullRange ?? false };
}

/** The planes of a picture, which is closed. */
export async function planesOf(frame: VideoFrame, meaning: Meaning): Promise<Planes> {
  try {
    const format = FORMATS[frame.format ?? ""];
    const { width, height } = frame.visibleRect ?? { width: frame.codedWidth, height: frame.codedHeight };
    // 4:4:4, ten bits, or a picture that only the GPU knows.
    if (format === undefined) return { ...meaning, ...drawn(frame, width, height) };
    const data = new Uint8Array(frame.allocationSize());
    const layout = await frame.copyTo(data);
    return { ...meaning, format, width, height, data, layout };
  } finally {
    frame.close();
  }
}

/** The planes of what can be drawn on a canvas, as the browser converts its colours. */
export function drawn(source: CanvasImageSource, width: number, height: number): Omit<Planes, keyof Meaning> {
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  if (context === null) throw new Error("no 2d canvas");
  context.drawImage(source, 0, 0, width, height);
  const data = new Uint8Array(context.getImageData(0, 0, width, height).data.buffer);
  return { format: "RGBA", width, height, data, layout: [{ offset: 0, stride: width * 4 }] };
}
