/** Which frames of a stream make a clip; as tsd_tf/client/clips.py. */

/** A clip and the index of its first frame. */
export interface Clip<Frame> {
  readonly start: number;
  readonly frames: readonly Frame[];
}

/**
 * Cuts a stream into clips of `numFrames` that cover all of its frames: one starts every `stride` frames, and the last
 * one ends with the stream.
 *
 * @param loops whether a stream shorter than a clip is looped, as in evaluation; otherwise it makes none.
 */
export async function* clips<Frame>(
  stream: AsyncIterable<Frame>,
  numFrames: number,
  stride: number,
  loops: boolean,
): AsyncGenerator<Clip<Frame>> {
  const window: Frame[] = [];
  let count = 0;
  let nextEnd = numFrames;
  for await (const frame of stream) {
    window.push(frame);
    if (window.length > numFrames) window.shift();
    count++;
    if (count === nextEnd) {
      yield { start: count - numFrames, frames: [...window] };
      nextEnd += stride;
    }
  }
  if (count > 0 && count < numFrames) {
    if (!loops) return;
    yield { start: 0, frames: Array.from({ length: numFrames }, (_, index) => window[index % count]!) };
  } else if (count > 0 && count !== nextEnd - stride) {
    yield { start: count - numFrames, frames: window };
  }
}
