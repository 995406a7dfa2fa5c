/** The camera of this device. */

import { UserError } from "../errors.js";

const REASONS: Partial<Record<string, string>> = {
  NotAllowedError:
    "The camera was refused. Allow it for this page beside the browser's address bar and try again, or choose a video.",
  NotFoundError: "No camera was found. Connect one and try again, or choose a video.",
  NotReadableError: "The camera cannot be read; another program may be using it. Close that and try again.",
};

/**
 * The camera's stream, without sound.
 *
 * @throws UserError says why there is none.
 */
export async function openCamera(): Promise<MediaStream> {
  if (!("mediaDevices" in navigator)) {
    throw new UserError("Browsers give the camera only to pages over https or on localhost. Choose a video instead.");
  }
  try {
    const video = {
      facingMode: "environment",
      width: { ideal: 640 },
      height: { ideal: 480 },
      frameRate: { ideal: 30 },
    };
    return await navigator.mediaDevices.getUserMedia({ video, audio: false });
  } catch (error) {
    const name = error instanceof DOMException ? error.name : "";
    throw new UserError(REASONS[name] ?? `The camera cannot be opened (${String(error)}). Choose a video instead.`);
  }
}
