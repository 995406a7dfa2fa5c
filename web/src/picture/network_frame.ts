/** From a decoded picture to the frame that the network sees, in the Python client's steps. */

import { toRgb } from "./colours.js";
import type { Picture, Planes } from "./planes.js";
import { resized, roundHalfEven } from "./resize.js";

/** The size of the network's frames. */
export interface FrameSize {
  /** Pixels that the short side is scaled to before the crop. */
  readonly shortSide: number;
  /** Edge of the square cropped from the middle, pixels. */
  readonly cropSize: number;
}

/** uint8 RGB (cropSize, cropSize, 3) of a picture: converted, scaled, turned upright, cropped. */
export function networkFrame(planes: Planes, { shortSide, cropSize }: FrameSize): Uint8Array<ArrayBuffer> {
  const [width, height] = scaledSize(planes.width, planes.height, shortSide);
  return centre(upright(resized(toRgb(planes), width, height), planes), cropSize);
}

/** [width, height] of a picture whose short side is scaled to `shortSide` pixels; the aspect ratio is kept. */
export function scaledSize(width: number, height: number, shortSide: number): [number, number] {
  const scale = shortSide / Math.min(width, height);
  return [Math.max(shortSide, roundHalfEven(width * scale)), Math.max(shortSide, roundHalfEven(height * scale))];
}

function upright(picture: Picture, { rotation, isMirrored }: Planes): Picture {
  if (rotation === 0 && !isMirrored) return picture;
  const isTransposed = rotation === 90 || rotation === 270;
  const width = isTransposed ? picture.height : picture.width;
  const height = isTransposed ? picture.width : picture.height;
  const data = new Uint8Array(picture.data.length);
  for (let y = 0, to = 0; y < height; y++) {
    for (let column = 0; column < width; column++, to += 3) {
      const x = isMirrored ? width - 1 - column : column;
      const from = 3 * storedAt(picture, x, y, rotation);
      data.set(picture.data.subarray(from, from + 3), to);
    }
  }
  return { width, height, data };
}

/** The index of the stored pixel that is shown at (x, y) once the picture is turned clockwise. */
function storedAt({ width, height }: Picture, x: number, y: number, rotation: number): number {
  if (rotation === 90) return (height - 1 - x) * width + y;
  if (rotation === 180) return (height - 1 - y) * width + (width - 1 - x);
  if (rotation === 270) return x * width + (width - 1 - y);
  return y * width + x;
}

function centre(picture: Picture, size: number): Uint8Array<ArrayBuffer> {
  const top = (picture.height - size) >> 1;
  const left = (picture.width - size) >> 1;
  const data = new Uint8Array(size * size * 3);
  for (let y = 0; y < size; y++) {
    const from = ((top + y) * picture.width + left) * 3;
    data.set(picture.data.subarray(from, from + size * 3), y * size * 3);
  }
  return data;
}
