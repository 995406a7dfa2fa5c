/**
 * Pictures at another size, bit for bit as OpenCV makes them on x86: averaged where they shrink, bilinear where they
 * grow. A trained P may be steep: one level more or less in a frame would show in it.
 */

import type { Picture } from "./planes.js";

/** A picture of `width` x `height` pixels. */
export function resized(picture: Picture, width: number, height: number): Picture {
  if (width === picture.width && height === picture.height) return picture;
  if (picture.width <= width) return interpolated(picture, width, height);
  const isWhole = picture.width % width === 0 && picture.height % height === 0;
  return isWhole ? averagedBlocks(picture, width, height) : averaged(picture, width, height);
}

/** Where each pixel covers a whole number of pixels: their sum is an integer. */
function averagedBlocks(picture: Picture, width: number, height: number): Picture {
  const [across, down] = [picture.width / width, picture.height / height];
  const share = Math.fround(1 / (across * down));
  const sums = new Uint32Array(width * height * 3);
  for (let y = 0, from = 0; y < picture.height; y++) {
    const row = Math.floor(y / down) * width;
    for (let x = 0; x < picture.width; x++, from += 3) {
      const to = (row + Math.floor(x / across)) * 3;
      for (let channel = 0; channel < 3; channel++) sums[to + channel]! += picture.data[from + channel]!;
    }
  }
  const isHalf = across === 2 && down === 2; // which OpenCV rounds up where it is in the middle
  const data = Uint8Array.from(sums, (sum) => (isHalf ? (sum + 2) >> 2 : roundHalfEven(Math.fround(sum * share))));
  return { width, height, data };
}

/** One pixel that counts in one of the result, and how much. */
interface Part {
  readonly from: number;
  readonly to: number;
  readonly weight: number;
}

/** All in 32-bit floats: first along each row, then down the columns. */
function averaged(picture: Picture, width: number, height: number): Picture {
  const columns = parts(picture.width, width);
  const data = new Uint8Array(width * height * 3);
  const line = new Float32Array(width * 3);
  const sum = new Float32Array(width * 3);
  let current = 0;
  for (const { from, to, weight } of parts(picture.height, height)) {
    if (to !== current) {
      round(sum, data, current);
      current = to;
    }
    averageRow(picture, from, columns, line);
    for (let place = 0; place < sum.length; place++) sum[place]! += Math.fround(weight * line[place]!);
  }
  round(sum, data, current);
  return { width, height, data };
}

function averageRow(picture: Picture, row: number, columns: readonly Part[], line: Float32Array): void {
  line.fill(0);
  const start = row * picture.width * 3;
  for (const { from, to, weight } of columns) {
    const [source, place] = [start + from * 3, to * 3];
    line[place]! += Math.fround(picture.data[source]! * weight);
    line[place + 1]! += Math.fround(picture.data[source + 1]! * weight);
    line[place + 2]! += Math.fround(picture.data[source + 2]! * weight);
  }
}

/** Writes a row that is complete, and begins the next one. */
function round(sum: Float32Array, data: Uint8Array, row: number): void {
  for (let place = 0; place < sum.length; place++) data[row * sum.length + place] = roundHalfEven(sum[place]!);
  sum.fill(0);
}

/** What OpenCV's computeResizeAreaTab finds: each pixel of the result covers `size / target` pixels, the outer ones partly. */
function parts(size: number, target: number): Part[] {
  const scale = 1 / (target / size);
  const found: Part[] = [];
  for (let to = 0; to < target; to++) {
    const begin = to * scale;
    const end = begin + scale;
    const length = Math.min(scale, size - begin);
    const last = Math.min(Math.floor(end), size - 1);
    const first = Math.min(Math.ceil(begin), last);
    const add = (from: number, weight: number): void => void found.push({ from, to, weight: Math.fround(weight) });
    if (first - begin > 1e-3) add(first - 1, (first - begin) / length);
    for (let from = first; from < last; from++) add(from, 1 / length);
    if (end - last > 1e-3) add(last, Math.min(end - last, 1, length) / length);
  }
  return found;
}

/** Two neighbours between which a pixel of the result lies, and how much each counts, of 2048. */
interface Between {
  readonly first: number;
  readonly second: number;
  readonly weights: readonly [number, number];
}

/** In the integers of OpenCV's vector instructions. */
function interpolated(picture: Picture, width: number, height: number): Picture {
  const columns = between(picture.width, width);
  const lines = Array.from({ length: picture.height }, (_, row) => interpolatedRow(picture, row, columns));
  const data = new Uint8ClampedArray(width * height * 3);
  between(picture.height, height).forEach(({ first, second, weights: [one, other] }, row) => {
    const [above, below] = [lines[first]!, lines[second]!];
    for (let place = 0; place < width * 3; place++) {
      const sum = (((above[place]! >> 4) * one) >> 16) + (((below[place]! >> 4) * other) >> 16);
      data[row * width * 3 + place] = (sum + 2) >> 2;
    }
  });
  return { width, height, data: new Uint8Array(data.buffer) };
}

function interpolatedRow(picture: Picture, row: number, columns: readonly Between[]): Int32Array {
  const line = new Int32Array(columns.length * 3);
  const start = row * picture.width;
  columns.forEach(({ first, second, weights: [one, other] }, column) => {
    for (let channel = 0; channel < 3; channel++) {
      const left = picture.data[(start + first) * 3 + channel]!;
      const right = picture.data[(start + second) * 3 + channel]!;
      line[column * 3 + channel] = left * one + right * other;
    }
  });
  return line;
}

function between(size: number, target: number): Between[] {
  const scale = 1 / (target / size);
  const inside = (index: number): number => Math.min(Math.max(index, 0), size - 1);
  return Array.from({ length: target }, (_, index) => {
    const centre = Math.fround((index + 0.5) * scale - 0.5);
    const first = Math.floor(centre);
    const share = Math.fround(centre - first);
    const weights = [roundHalfEven(Math.fround(1 - share) * 2048), roundHalfEven(share * 2048)] as const;
    return { first: inside(first), second: inside(first + 1), weights };
  });
}

/** As Python and the processor round. */
export function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}
