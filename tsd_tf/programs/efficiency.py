"""Prints what each method costs beside what the paper prints: the rows of Tables 1 and 5.

    python -m tsd_tf.efficiency [--no_timing] [--output_dir=DIR] [--video=FILE]

Parameters and multiply-accumulates are counted on the networks as they are built here; times are measured on this
machine. Writes efficiency.md, efficiency.csv and efficiency.json into --output_dir. The counts take half a minute, the
times some minutes on two cores.
"""

import pathlib

from absl import flags

from tsd_tf.contract.errors import UnreadableVideoError, UserError
from tsd_tf.programs import command_line

FLAGS = flags.FLAGS

flags.DEFINE_bool("no_timing", False, "give the counts alone")
flags.DEFINE_integer("runs", 5, "timed runs of each half, after one that warms up", lower_bound=1)
flags.DEFINE_string("output_dir", "efficiency", "folder of the report")
flags.DEFINE_string("video", None, "a video whose frames give the JPEG sizes (default: smoothed noise)")


@command_line.program(extra="train", backends=("tensorflow",))
def start(argv: list[str]) -> None:
    """Measures all rows, prints the table and writes the three files."""
    command_line.no_arguments(argv)
    from tqdm import tqdm

    from tsd_tf.contract import files
    from tsd_tf.efficiency import measurement, table
    from tsd_tf.efficiency.rows import ROWS

    example, named = _example(FLAGS.video)
    runs = 0 if FLAGS.no_timing else FLAGS.runs
    measured = [(row, measurement.measure(row, example, runs)) for row in tqdm(ROWS, desc="rows", unit="row")]
    notes = _notes(named, runs)
    costs = table.costs(measured, notes)
    markdown, counts = costs.markdown(), table.counts(measured)
    print(markdown, end="")
    folder = pathlib.Path(FLAGS.output_dir)
    files.write(folder / "efficiency.md", markdown)
    files.write(folder / "efficiency.csv", costs.csv())
    files.write_json(folder / "efficiency.json", {"rows": counts, "notes": notes})
    print(f"Wrote efficiency.md, .csv and .json into {FLAGS.output_dir}")


def _notes(example, runs):
    from tsd_tf.reporting import machine

    notes = [
        "GMAC: multiply-accumulates of convolutions and matrix products, in G, of all clips of a video; the paper "
        "calls them FLOPS. Y = XP is apart: the paper does not count it.",
        "linear_rule_GMAC: the paper's figures for I3D follow 1.6875 G a frame; real SAME pooling does not.",
        f"jpeg_MB: of {example} at quality 90; a frame of a trained TSD may compress differently.",
        "Res18 ARTNet is the released network; the paper's row looks like that of a plain 3D ResNet-18. Its 25 clips "
        "of 160 frames are 250 calls of 16.",
    ]
    if runs:
        notes.append(
            f"milliseconds: median of {runs} runs of one clip after a warm-up, times the clips, on "
            f"{machine.in_words()}; the paper's are of 8 Titan X."
        )
    else:
        notes.append("milliseconds: not measured here.")
    return notes


def _example(video):
    """(uint8 frames (n, height, width, 3), what they are)."""
    import cv2
    import numpy as np

    if video is None:
        noise = np.random.default_rng(0).uniform(0, 1, (4, 256, 256, 3)).astype("float32")
        smooth = [sum(cv2.GaussianBlur(frame, (0, 0), sigma) * sigma for sigma in (1, 4, 16)) for frame in noise]
        scaled = [(frame - frame.min()) / np.ptp(frame) * 255 for frame in smooth]
        return np.stack(scaled).astype("uint8"), "smoothed noise (give --video for a real one)"
    from tsd_tf.video.video import Video

    try:
        pictures = Video(video, num_threads=0).frames(frame_rate=25.0, short_side=256, time_end=4.0)
        frames = np.stack(list(pictures))
    except UnreadableVideoError as error:
        raise UserError(f"--video={video} cannot be read: {error}") from error
    return frames, f"the first {len(frames)} frames of {pathlib.Path(video).name}"


if __name__ == "__main__":
    start()
