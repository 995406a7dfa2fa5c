/** How distilled frames can travel from here. */

/** A codec of WebCodecs. */
export interface VideoCodec {
  readonly name: string;
  /** WebCodecs' name. */
  readonly string: string;
  /** The key under which WebCodecs takes a picture's quantizer. */
  readonly key: "avc" | "vp9" | "av1";
  /** The largest quantizer; 0 is the best. */
  readonly worst: number;
}

export const VIDEO_CODECS: Readonly<Record<string, VideoCodec>> = {
  h264: { name: "H.264", string: "avc1.42001f", key: "avc", worst: 51 },
  vp9: { name: "VP9", string: "vp09.00.10.08", key: "vp9", worst: 63 },
  av1: { name: "AV1", string: "av01.0.04M.08", key: "av1", worst: 63 },
};

export const JPEG = "jpeg";

/** The name of a codec for people. */
export function nameOf(codec: string): string {
  return VIDEO_CODECS[codec]?.name ?? codec.toUpperCase();
}

/** The quantizer of a codec for a quality of 0 to 100; that of 50 is about the Python client's default. */
export function quantizerOf(codec: VideoCodec, quality: number): number {
  return Math.round(codec.worst * (1 - quality / 100));
}

/** Those of the server's codecs that this browser can make, JPEG at last, which needs no encoder. */
export async function availableCodecs(accepted: readonly string[], size: number): Promise<string[]> {
  const found: string[] = [];
  for (const [name, codec] of Object.entries(VIDEO_CODECS)) {
    if (accepted.includes(name) && (await encoderConfig(codec, size, 0)) !== null) found.push(name);
  }
  return [...found, JPEG];
}

const FRAME_RATE = 25;
const BITS_PER_PIXEL = 0.25; // at H.264's quantizer 24, and half of it for every 6 more
const USUAL_QUANTIZER = 24;

/** What the encoder is told; with bit rates where it takes no quantizers; null where there is no such encoder. */
export async function encoderConfig(
  codec: VideoCodec,
  size: number,
  quantizer: number,
): Promise<VideoEncoderConfig | null> {
  if (typeof VideoEncoder === "undefined") return null;
  const relative = (quantizer * 51) / codec.worst;
  const config: VideoEncoderConfig = {
    codec: codec.string,
    width: size,
    height: size,
    framerate: FRAME_RATE,
    ...(codec.key === "avc" && { avc: { format: "annexb" } }),
  };
  const rate = BITS_PER_PIXEL * 2 ** ((USUAL_QUANTIZER - relative) / 6);
  const bitrate = Math.round(rate * size * size * FRAME_RATE);
  for (const way of [{ bitrateMode: "quantizer" }, { bitrateMode: "variable", bitrate }] as const) {
    const asked = { ...config, ...way };
    const { supported } = await VideoEncoder.isConfigSupported(asked);
    if (supported === true) return asked;
  }
  return null;
}
