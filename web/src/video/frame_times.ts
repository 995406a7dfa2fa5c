/** When the frames of a video are shown; as tsd_tf/contract/frame_times.py. */

const HIGHEST_FRAME_RATE = 240; // above it the header's rate is a time base, not a rate
const LARGEST_DISORDER = 0.1; // seconds; what goes back further belongs to another clock
const SHORTEST_PAUSE = 1; // seconds
const LONGEST_SHOWN = 10; // seconds
const LONGEST_JUMP = 600; // seconds
const LONGEST_PAUSES = 7200; // seconds, all of a video together
const USUAL_RATE = 25;

/** The time of frame after frame, in seconds, strictly ascending, whatever the container's timestamps are. */
export class FrameTimes {
  private time: number | null = null;
  private readonly interval: number;
  private lastInterval: number;
  private pauses = 0;
  private lastTimestamp = 0;

  /**
   * @param frameRate of the video; 25 is used where it is not plausible.
   * @param origin the timestamp at which a player starts to count, seconds.
   */
  constructor(
    frameRate: number,
    private origin: number,
  ) {
    this.interval = 1 / (frameRate >= 1 && frameRate <= HIGHEST_FRAME_RATE ? frameRate : USUAL_RATE);
    this.lastInterval = this.interval;
  }

  /** The time of the next frame: its timestamp and how long it is shown are what the container says, seconds. */
  add(timestamp: number, duration: number): number {
    const last = this.lastTimestamp;
    this.lastTimestamp = timestamp;
    if (this.time === null) {
      this.time = timestamp - this.origin;
      if (Math.abs(this.time) > LONGEST_JUMP) {
        this.origin += this.time;
        this.time = 0;
      }
      this.lastInterval = shown(duration, this.interval);
      return this.time;
    }
    let step = timestamp - this.origin - this.time;
    const longestShown = Math.min(1.01 * this.lastInterval, LONGEST_SHOWN);
    const pauses = this.pauses + (step > Math.max(SHORTEST_PAUSE, longestShown) ? step : 0);
    const jumps = Math.abs(step) > LONGEST_JUMP || pauses > LONGEST_PAUSES;
    if (jumps || timestamp < last - LARGEST_DISORDER) {
      this.origin += step - this.interval;
      step = this.interval;
    } else if (step <= 1e-4) {
      // Frames with the same time; where the clock runs but is behind, it catches up.
      step = this.interval / (timestamp > last ? 2 : 1);
    } else {
      this.pauses = pauses;
    }
    this.lastInterval = shown(duration, Math.min(step, this.interval));
    this.time += step;
    return this.time;
  }

  /** When the last frame ends, seconds; 0 before the first. */
  get end(): number {
    return this.time === null ? 0 : this.time + this.lastInterval;
  }
}

function shown(duration: number, otherwise: number): number {
  return duration > 0 && duration <= LONGEST_JUMP ? duration : otherwise;
}
