/** The pictures of a video file, every one, by WebCodecs. */

import { ALL_FORMATS, BlobSource, Input, VideoSampleSink, type InputVideoTrack } from "mediabunny";

import { UnreadableVideoError } from "../errors.js";
import type { Planes } from "../picture/planes.js";
import { FrameTimes } from "./frame_times.js";
import { meaningOfColours, planesOf } from "./planes_of_frame.js";
import type { Timed } from "./resampling.js";

/**
 * Yields the pictures with their times as a player shows them: edit lists are obeyed, 0 is where the file starts.
 *
 * @throws UnreadableVideoError if this browser cannot read the file or decode it.
 */
export async function* fileFrames(file: Blob): AsyncGenerator<Timed<Planes>> {
  const input = new Input({ source: new BlobSource(file), formats: ALL_FORMATS });
  try {
    const track = await decodableTrack(input);
    const meaning = {
      ...meaningOfColours(await track.getColorSpace()),
      rotation: await track.getRotation(),
      isMirrored: await track.getFlip(),
    };
    const { averagePacketRate } = await track.computePacketStats(100);
    // What lies before 0 was cut away by an edit list.
    const times = new FrameTimes(averagePacketRate, Math.max(0, await input.getFirstTimestamp()));
    let count = 0;
    for await (const sample of new VideoSampleSink(track).samples(0)) {
      const { timestamp, duration } = sample;
      const frame = sample.toVideoFrame();
      sample.close();
      const planes = await planesOf(frame, meaning);
      if (timestamp < 0) continue;
      count++;
      yield [times.add(timestamp, duration), planes];
    }
    if (count === 0) throw new UnreadableVideoError("This video has no picture in it.");
    yield [times.end, null];
  } catch (error) {
    if (error instanceof UnreadableVideoError) throw error;
    console.warn(error); // in Mediabunny's and the decoder's words
    throw new UnreadableVideoError("This browser cannot decode this video, or it is damaged.");
  } finally {
    input.dispose();
  }
}

async function decodableTrack(input: Input): Promise<InputVideoTrack> {
  if (typeof VideoDecoder === "undefined") throw new UnreadableVideoError("This browser has no WebCodecs.");
  // It throws at files of a few bytes.
  if (!(await input.canRead().catch(() => false)))
    throw new UnreadableVideoError("This is no video that the page can read.");
  const track = await input.getPrimaryVideoTrack();
  if (track === null) throw new UnreadableVideoError("This file has no pictures in it.");
  if (!(await track.canDecode())) {
    const codec = await track.getCodec();
    throw new UnreadableVideoError(`This browser cannot decode this video${codec === null ? "" : ` (${codec})`}.`);
  }
  return track;
}
