/** The pictures of a playing <video>: of a camera, and of files that only the browser's own player can read. */

import { UserError } from "../errors.js";
import type { Planes } from "../picture/planes.js";
import { FrameTimes } from "./frame_times.js";
import { drawn, meaningOfColours, planesOf } from "./planes_of_frame.js";
import type { Timed } from "./resampling.js";

const MOST_WAITING = 8; // pictures; what comes faster than it is taken is left out

/**
 * Yields the pictures that the element shows, with their times in seconds, until it ends or `signal` says so.
 *
 * A browser shows nothing in a tab in the background: pictures then pause, and `onDisplay` would repeat the last one.
 * So a pause of more than `longestPause` seconds ends the pictures.
 *
 * @throws UserError if the browser cannot give them.
 */
export async function* playedFrames(
  video: HTMLVideoElement,
  signal: AbortSignal,
  longestPause = Infinity,
): AsyncGenerator<Timed<Planes>> {
  if (!("requestVideoFrameCallback" in video)) throw new UserError("This browser is too old. Try a newer one.");
  const waiting: { seconds: number; planes: Promise<Planes> }[] = [];
  let wake = (): void => undefined;
  const over = new AbortController();
  let request = 0;
  const take = (_: number, { mediaTime }: VideoFrameCallbackMetadata): void => {
    if (waiting.length < MOST_WAITING) {
      waiting.push({ seconds: mediaTime, planes: shownPlanes(video) });
    }
    request = video.requestVideoFrameCallback(take);
    wake();
  };
  const end = (): void => {
    over.abort();
    wake();
  };
  request = video.requestVideoFrameCallback(take);
  video.addEventListener("ended", end);
  video.addEventListener("error", end); // the player fails in the middle
  signal.addEventListener("abort", end);
  try {
    let times: FrameTimes | null = null;
    while (!signal.aborted) {
      const next = waiting.shift();
      if (next === undefined) {
        if (over.signal.aborted) break;
        await new Promise<void>((resolve) => (wake = resolve));
        continue;
      }
      times ??= new FrameTimes(0, next.seconds);
      const before = times.end;
      const time = times.add(next.seconds, 0);
      if (time - before > longestPause) return;
      yield [time, await next.planes];
    }
    if (times !== null && !signal.aborted) yield [times.end, null];
  } finally {
    video.cancelVideoFrameCallback(request);
    video.removeEventListener("ended", end);
    video.removeEventListener("error", end);
    signal.removeEventListener("abort", end);
  }
}

/** The picture that the element shows, which is upright already. */
function shownPlanes(video: HTMLVideoElement): Promise<Planes> {
  const orientation = { rotation: 0, isMirrored: false } as const;
  if (typeof VideoFrame === "undefined") {
    const planes = drawn(video, video.videoWidth, video.videoHeight);
    return Promise.resolve({ ...planes, ...meaningOfColours({}), ...orientation });
  }
  const frame = new VideoFrame(video);
  return planesOf(frame, { ...meaningOfColours(frame.colorSpace.toJSON()), ...orientation });
}
