/** Frames as a short video and back, by WebCodecs. */

import { encoderConfig, type VideoCodec } from "./codecs.js";
import { padded, toI420 } from "./yuv.js";

const COLOURS = { primaries: "smpte170m", transfer: "smpte170m", matrix: "smpte170m", fullRange: false } as const;
const INTERVAL = 40_000; // microseconds; of no consequence: packets travel without times

/** Frames as an encoder takes them. */
export interface YuvFrames {
  /** Edge, pixels; even. */
  readonly size: number;
  /** I420 of each. */
  readonly frames: readonly Uint8Array<ArrayBuffer>[];
}

/** Square RGB frames of `size` pixels, ready for encoders. */
export function yuvFrames(frames: readonly Uint8Array[], size: number): YuvFrames {
  return { size: padded(size), frames: frames.map((frame) => toI420(frame, size)) };
}

/**
 * The coded pictures of a clip, in the order of decoding: together the elementary stream.
 *
 * @throws Error if the encoder fails.
 */
export async function encodeVideo(clip: YuvFrames, codec: VideoCodec, quantizer: number): Promise<Uint8Array[]> {
  const config = await encoderConfig(codec, clip.size, quantizer);
  if (config === null) throw new Error(`no encoder of ${codec.name}`);
  const packets: Uint8Array[] = [];
  return await finished<Uint8Array[]>(async (fail) => {
    const output = (chunk: EncodedVideoChunk): void => {
      const packet = new Uint8Array(chunk.byteLength);
      chunk.copyTo(packet);
      packets.push(packet);
    };
    const encoder = new VideoEncoder({ output, error: fail });
    try {
      encoder.configure(config);
      clip.frames.forEach((data, index) => {
        const frame = new VideoFrame(data, {
          format: "I420",
          codedWidth: clip.size,
          codedHeight: clip.size,
          timestamp: index * INTERVAL,
          colorSpace: COLOURS,
        });
        encoder.encode(frame, { keyFrame: index === 0, [codec.key]: { quantizer } });
        frame.close();
      });
      await encoder.flush();
    } finally {
      if (encoder.state !== "closed") encoder.close();
    }
    return packets;
  });
}

/** The peak signal-to-noise ratio of a coded clip's luma, dB. */
export async function signalToNoise(
  packets: readonly Uint8Array[],
  codec: VideoCodec,
  clip: YuvFrames,
): Promise<number> {
  const numPixels = clip.size * clip.size;
  const errors: Promise<number>[] = [];
  const error = await finished<number>(async (fail) => {
    const output = (frame: VideoFrame): void => {
      const original = clip.frames[errors.length];
      errors.push(squaredError(frame, original?.subarray(0, numPixels) ?? new Uint8Array()));
    };
    const decoder = new VideoDecoder({ output, error: fail });
    try {
      decoder.configure({ codec: codec.string, codedWidth: clip.size, codedHeight: clip.size });
      packets.forEach((data, index) => {
        const type = index === 0 ? "key" : "delta";
        decoder.decode(new EncodedVideoChunk({ type, timestamp: index * INTERVAL, data }));
      });
      await decoder.flush();
    } finally {
      if (decoder.state !== "closed") decoder.close();
    }
    return (await Promise.all(errors)).reduce((sum, value) => sum + value, 0);
  });
  return 10 * Math.log10((255 ** 2 * numPixels * clip.frames.length) / Math.max(error, 1));
}

async function squaredError(frame: VideoFrame, original: Uint8Array): Promise<number> {
  const data = new Uint8Array(frame.allocationSize());
  const [luma] = await frame.copyTo(data);
  const { visibleRect } = frame;
  frame.close();
  const { width, height } = visibleRect ?? { width: 0, height: 0 };
  let sum = 0;
  for (let y = 0; y < height; y++) {
    const row = luma!.offset + y * luma!.stride;
    for (let x = 0; x < width; x++) sum += (data[row + x]! - original[y * width + x]!) ** 2;
  }
  return sum;
}

/** What `work` makes, unless a codec's callback fails first. */
function finished<Value>(work: (fail: (error: Error) => void) => Promise<Value>): Promise<Value> {
  return new Promise((resolve, reject) => void work(reject).then(resolve, reject));
}
