/** From RGB frames to the 4:2:0 that video encoders take: BT.601, limited range. */

/** One frame's planes Y, U, V, one after the other; sides of odd length are filled up with their last pixel. */
export function toI420(frame: Uint8Array, size: number): Uint8Array<ArrayBuffer> {
  const side = padded(size);
  const half = side / 2;
  const data = new Uint8Array((side * side * 3) / 2);
  const u = side * side;
  const v = u + half * half;
  const sums = new Float32Array(half * half * 2);
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const from = (Math.min(y, size - 1) * size + Math.min(x, size - 1)) * 3;
      const [red, green, blue] = [frame[from]!, frame[from + 1]!, frame[from + 2]!];
      const luma = 0.299 * red + 0.587 * green + 0.114 * blue;
      data[y * side + x] = Math.round(16 + (luma * 219) / 255);
      const place = 2 * ((y >> 1) * half + (x >> 1));
      sums[place]! += (blue - luma) / 1.772;
      sums[place + 1]! += (red - luma) / 1.402;
    }
  }
  for (let place = 0; place < half * half; place++) {
    data[u + place] = Math.round(128 + ((sums[2 * place]! / 4) * 224) / 255);
    data[v + place] = Math.round(128 + ((sums[2 * place + 1]! / 4) * 224) / 255);
  }
  return data;
}

/** The next even length: two by two pixels share a colour. */
export function padded(size: number): number {
  return size + (size % 2);
}
