/** Distilled frames as they travel. */

import { JPEG, quantizerOf, VIDEO_CODECS } from "./codecs.js";
import { encodeVideo, yuvFrames } from "./video_coding.js";

/** A clip, coded. */
export interface EncodedClip {
  readonly codec: string;
  /** Video: the elementary stream, picture by picture; JPEG: the frames. */
  readonly packets: readonly Uint8Array[];
  /** The k-th picture of `packets` that is shown is distilled frame `order[k]`. */
  readonly order: readonly number[];
}

/** The bytes of a clip's coded pictures, parameter sets among them. */
export function numBytes({ packets }: EncodedClip): number {
  return packets.reduce((sum, packet) => sum + packet.length, 0);
}

/**
 * Encodes distilled frames; as JPEG where the video encoder fails, as a device's own may at any time.
 *
 * @param frames uint8 RGB (size, size, 3) of each.
 * @param order in which a video codec takes them.
 * @param codec see availableCodecs.
 * @param quality 0 to 100.
 */
export async function encodeClip(
  frames: readonly Uint8Array[],
  size: number,
  order: readonly number[],
  codec: string,
  quality: number,
): Promise<EncodedClip> {
  const video = VIDEO_CODECS[codec];
  if (video !== undefined) {
    const shown = order.map((index) => frames[index]!);
    try {
      const packets = await encodeVideo(yuvFrames(shown, size), video, quantizerOf(video, quality));
      return { codec, packets, order };
    } catch (error) {
      console.warn(error);
    }
  }
  const packets = await Promise.all(frames.map((frame) => jpeg(frame, size, quality)));
  return { codec: JPEG, packets, order: frames.map((_, index) => index) };
}

/** The order in which the columns of P (T, T_s) follow each other in time: neighbours that are alike take fewer bytes. */
export function timeOrder(matrix: Float32Array, numDistilled: number): number[] {
  const centres = Array.from({ length: numDistilled }, (_, column) => {
    let sum = 0;
    for (let row = 0; row * numDistilled < matrix.length; row++) sum += row * matrix[row * numDistilled + column]!;
    return sum;
  });
  return centres.map((_, column) => column).sort((one, other) => centres[one]! - centres[other]!);
}

async function jpeg(frame: Uint8Array, size: number, quality: number): Promise<Uint8Array> {
  const canvas = new OffscreenCanvas(size, size);
  canvas.getContext("2d")!.putImageData(imageOf(frame, size), 0, 0);
  // Half of JPEG's scale is of no use to a network.
  const blob = await canvas.convertToBlob({ type: "image/jpeg", quality: 0.5 + quality / 200 });
  return new Uint8Array(await blob.arrayBuffer());
}

/** A square RGB frame for a canvas. */
export function imageOf(frame: Uint8Array, size: number): ImageData {
  const image = new ImageData(size, size);
  for (let pixel = 0; pixel < size * size; pixel++) {
    image.data.set(frame.subarray(3 * pixel, 3 * pixel + 3), 4 * pixel);
    image.data[4 * pixel + 3] = 255;
  }
  return image;
}
