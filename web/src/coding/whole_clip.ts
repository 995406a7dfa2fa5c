/** What the whole clip would take: the comparison in the page's account. */

import { VIDEO_CODECS } from "./codecs.js";
import { encodeVideo, signalToNoise, yuvFrames, type YuvFrames } from "./video_coding.js";

/** A clip as H.264, no worse than the distilled frames that it is compared with. */
export interface WholeClip {
  readonly bytes: number;
  /** dB, of luma. */
  readonly signalToNoise: number;
}

/** The clip that was distilled, and how its distilled frames travelled. */
export interface Comparison {
  readonly frames: readonly Uint8Array[];
  readonly distilled: readonly Uint8Array[];
  readonly packets: readonly Uint8Array[];
  readonly codec: string;
  readonly size: number;
}

/**
 * Encodes all frames of a clip as H.264, at the coarsest quantizer (or lowest bit rate) at which their signal-to-noise
 * ratio is not below that of the distilled frames as they travelled; at the finest one if even that is below it.
 *
 * @returns null for distilled frames that travelled as JPEG, and where this browser cannot encode H.264 or decode.
 */
export async function measureWholeClip(comparison: Comparison): Promise<WholeClip | null> {
  const { frames, distilled, packets, size } = comparison;
  const codec = VIDEO_CODECS[comparison.codec];
  const h264 = VIDEO_CODECS["h264"]!;
  if (codec === undefined || typeof VideoDecoder === "undefined") return null;
  try {
    const target = await signalToNoise(packets, codec, yuvFrames(distilled, size));
    return await coarsest(yuvFrames(frames, size), target);
  } catch (error) {
    console.warn(error);
    return null;
  }

  async function coarsest(whole: YuvFrames, least: number): Promise<WholeClip> {
    let [best, worst] = [0, h264.worst];
    let found = await coded(whole, best);
    while (best < worst) {
      const middle = Math.ceil((best + worst) / 2);
      const candidate = await coded(whole, middle);
      if (candidate.signalToNoise >= least) [best, found] = [middle, candidate];
      else worst = middle - 1;
    }
    return found;
  }

  async function coded(whole: YuvFrames, quantizer: number): Promise<WholeClip> {
    const made = await encodeVideo(whole, h264, quantizer);
    const bytes = made.reduce((sum, packet) => sum + packet.length, 0);
    return { bytes, signalToNoise: await signalToNoise(made, h264, whole) };
  }
}
