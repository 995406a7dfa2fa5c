/** From the planes of a decoded picture to RGB: bit for bit what FFmpeg's swscale makes of 8-bit 4:2:0. */

import type { Matrix, Picture, Planes } from "./planes.js";

/** swscale's inverse matrices, times 65536: red of V, blue of U, green of U, green of V. */
const COEFFICIENTS: Record<Matrix, readonly [number, number, number, number]> = {
  bt601: [104597, 132201, 25675, 53279],
  bt709: [117489, 138438, 13975, 34925],
  bt2020: [110013, 140363, 12277, 42626],
};

/** The picture in RGB, as it is stored: neither turned nor scaled. */
export function toRgb(planes: Planes): Picture {
  const { width, height } = planes;
  const data = new Uint8ClampedArray(width * height * 3);
  if (planes.format === "RGBA" || planes.format === "BGRA") copyChannels(planes, data);
  else convert(planes, data);
  return { width, height, data: new Uint8Array(data.buffer) };
}

function copyChannels({ format, width, height, data, layout }: Planes, rgb: Uint8ClampedArray): void {
  const [red, blue] = format === "RGBA" ? [0, 2] : [2, 0];
  let to = 0;
  for (let y = 0; y < height; y++) {
    let from = layout[0]!.offset + y * layout[0]!.stride;
    for (let x = 0; x < width; x++, from += 4, to += 3) {
      rgb[to] = data[from + red]!;
      rgb[to + 1] = data[from + 1]!;
      rgb[to + 2] = data[from + blue]!;
    }
  }
}

function convert({ format, width, height, data, layout, matrix, isFullRange }: Planes, rgb: Uint8ClampedArray): void {
  const [luma, red, green] = tables(matrix, isFullRange);
  const isInterleaved = format === "NV12";
  const y0 = layout[0]!;
  const u0 = layout[1]!;
  const v0 = isInterleaved ? { offset: u0.offset + 1, stride: u0.stride } : layout[2]!;
  const step = isInterleaved ? 2 : 1;
  let to = 0;
  for (let y = 0; y < height; y++) {
    const lumaRow = y0.offset + y * y0.stride;
    const uRow = u0.offset + (y >> 1) * u0.stride;
    const vRow = v0.offset + (y >> 1) * v0.stride;
    for (let x = 0; x < width; x++, to += 3) {
      // Two by two pixels share a colour, without interpolation.
      const at = (x >> 1) * step;
      const u = data[uRow + at]!;
      const v = data[vRow + at]!;
      const value = luma[data[lumaRow + x]!]!;
      rgb[to] = value + red.v[v]!;
      rgb[to + 1] = value + green.u[u]! + green.v[v]!;
      rgb[to + 2] = value + red.u[u]!;
    }
  }
}

interface Chroma {
  u: Int16Array;
  v: Int16Array;
}

/** What each value of luma adds, and each of U and V to (blue, red) and to green, in swscale's 16-bit arithmetic. */
function tables(matrix: Matrix, isFullRange: boolean): [Int16Array, Chroma, Chroma] {
  const scale = isFullRange ? 65536 : Math.floor((65536 * 255) / 219);
  const offset = isFullRange ? 0 : 16;
  const [redV, blueU, greenU, greenV] = COEFFICIENTS[matrix].map((value) =>
    isFullRange ? Math.floor((value * 224) / 255) : value,
  ) as [number, number, number, number];
  return [
    products(scale, offset),
    { u: products(blueU, 128), v: products(redV, 128) },
    { u: products(-greenU, 128), v: products(-greenV, 128) },
  ];
}

function products(coefficient: number, offset: number): Int16Array {
  const rounded = Math.floor(coefficient / 8 + 0.5);
  return Int16Array.from({ length: 256 }, (_, value) => ((value - offset) * 8 * rounded) >> 16);
}
