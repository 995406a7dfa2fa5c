/** The JSON of a prediction, as the Python client's REST connection sends it. */

import { JPEG } from "../coding/codecs.js";
import type { EncodedClip } from "../coding/clip_encoder.js";

/** The body of `POST v1/models/NAME:predict` for one clip. */
export function requestBody({ codec, packets, order }: EncodedClip): string {
  const pictures = [packets.map(base64)];
  if (codec === JPEG) return JSON.stringify({ signature_name: "jpeg", inputs: { frames_bytes: pictures } });
  const name = base64(new TextEncoder().encode(codec));
  return JSON.stringify({ signature_name: "coded", inputs: { packets: pictures, codec: [name], order: [order] } });
}

const PIECE = 0x8000; // bytes; a call takes only so many arguments

function base64(bytes: Uint8Array): { b64: string } {
  let text = "";
  for (let at = 0; at < bytes.length; at += PIECE) text += String.fromCharCode(...bytes.subarray(at, at + PIECE));
  return { b64: btoa(text) };
}
