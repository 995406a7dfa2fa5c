"""Measures how fast data is read and built: the reader beside bare JPEG decoding and mp4 readers, and the builder.

    python -m benchmarks.input_pipeline
    python -m benchmarks.input_pipeline --video=clip.mp4 --output=input_pipeline.json

makes a small data set (copies of --video, or procedural videos as MPEG-4) and builds shards of it. It reads clips of
--T frames at random places: with this project's reader, from JPEGs that are already in memory, and from the mp4 files
with OpenCV and, if it is installed, decord. All take turns, so that a machine that slows down slows all of them. It
writes medians as JSON. It takes about eight minutes on two cores; --rounds=1 --videos=8 tries it out.
"""

import concurrent.futures
import contextlib
import functools
import gc
import pathlib
import shutil
import statistics
import tempfile
import time

import cv2
import numpy as np
from absl import flags
from tqdm import tqdm

from benchmarks import in_turn
from tsd_tf.contract.clip_spec import ClipSpec
from tsd_tf.contract.errors import UserError
from tsd_tf.programs import command_line
from tsd_tf.reporting import machine

FLAGS = flags.FLAGS
flags.DEFINE_string("video", None, "a video to read copies of, at least --T frames long (default: procedural ones)")
flags.DEFINE_integer("videos", 48, "videos of the data set", lower_bound=2)
flags.DEFINE_integer("video_frames", 250, "frames of a procedural video, at 25 a second", lower_bound=1)
flags.DEFINE_integer("T", 40, "T: frames of a clip", lower_bound=1)
flags.DEFINE_integer("crop_size", 224, "pixels of the square crop", lower_bound=32)
flags.DEFINE_integer("short_side", 256, "pixels of the short side of stored frames", lower_bound=32)
flags.DEFINE_integer("batch_size", 6, "clips in a batch", lower_bound=1)
flags.DEFINE_integer("rounds", 7, "measurements for each way of reading; the median counts", lower_bound=1)
flags.DEFINE_integer("clips", 96, "clips in a measurement", lower_bound=1)
flags.DEFINE_integer("epochs", 20, "epochs over which memory is watched", lower_bound=2)
flags.DEFINE_integer("builder_rounds", 3, "builds with one process and with two, in turn", lower_bound=1)
flags.DEFINE_string("output", "input_pipeline.json", "file to write")

_WARM_UP = 2  # batches before the reader is measured
_CLASSES = 10


def procedural_video(seed, num_frames, height=256, width=340):
    """A textured scene that pans, with sensor noise: uint8 (num_frames, height, width, 3)."""
    draw = np.random.default_rng(seed)
    canvas = np.full((2 * height, 2 * width, 3), 128, np.float32)
    for cells, amplitude in ((4, 60), (16, 40), (64, 25)):
        texture = draw.uniform(-amplitude, amplitude, (cells, cells, 3)).astype(np.float32)
        canvas += cv2.resize(texture, (2 * width, 2 * height), interpolation=cv2.INTER_CUBIC)
    phase = draw.uniform(0, 2 * np.pi)
    frames = np.empty((num_frames, height, width, 3), np.uint8)
    for index, frame in enumerate(frames):
        y = int((0.5 + 0.45 * np.sin(phase + index / 40)) * height)
        x = int((0.5 + 0.45 * np.cos(phase + index / 55)) * width)
        noise = draw.normal(0, 4, frame.shape).astype(np.float32)
        frame[...] = np.clip(canvas[y : y + height, x : x + width] + noise, 0, 255)
    return frames


def write_videos(folder):
    """Fills a folder with videos; returns the annotation rows."""
    from tsd_tf.building.annotations import Row
    from tsd_tf.video.video_writing import write_video

    rows = []
    for index in tqdm(range(FLAGS.videos), desc="videos", unit="video"):
        name = f"{index:04d}.{'mp4' if FLAGS.video else 'avi'}"
        if FLAGS.video:
            shutil.copyfile(FLAGS.video, folder / name)
        else:
            write_video(folder / name, procedural_video(index, FLAGS.video_frames), 25.0)
        rows.append(Row(index + 1, name, index % _CLASSES, f"class {index % _CLASSES}", 0.0, None, path=name))
    return rows


def build(rows, videos_dir, output_dir, processes):
    """Seconds that the project's builder takes."""
    from tsd_tf.building import conversion, sharding

    began = time.perf_counter()
    names = [f"class {index}" for index in range(_CLASSES)]
    settings = conversion.Settings(25.0, FLAGS.short_side, 90, 1)
    sharding.build(rows, str(videos_dir), str(output_dir), "train", names, settings, 4, processes)
    return time.perf_counter() - began


def builder(rows, videos_dir, folder):
    """Videos a second with one process and with two, in turn."""

    def built(processes):
        with tempfile.TemporaryDirectory(dir=folder) as output_dir:
            return build(rows, videos_dir, output_dir, processes)

    ways = {processes: functools.partial(built, processes) for processes in (1, 2)}
    seconds = in_turn.measure(ways, FLAGS.builder_rounds, warm_up=0)
    ratios = [one / two for one, two in zip(seconds[1], seconds[2], strict=True)]
    return {
        "videos": len(rows),
        "videos_per_second": {
            str(processes): len(rows) / statistics.median(found) for processes, found in seconds.items()
        },
        "speed_of_two_to_one": {"median": statistics.median(ratios), "of_each_pair": ratios},
    }


def training_clips(shards):
    """Clips of this project's reader, as training gets them."""
    from tsd_tf.data.records import Records
    from tsd_tf.data.training_clips import TrainingClips

    spec = ClipSpec(FLAGS.T, FLAGS.crop_size, _CLASSES, random_flip=True)
    return TrainingClips(Records(shards), spec, batch_size=FLAGS.batch_size, seed=0)


def read(clips, count):
    """Frames a second of `count` batches of clips, from the start."""
    with contextlib.closing(iter(clips)) as batches:
        for _ in range(_WARM_UP):
            next(batches)
        began = time.perf_counter()
        for _ in range(count):
            next(batches)
        seconds = time.perf_counter() - began
    return count * FLAGS.batch_size * FLAGS.T / seconds


class JpegDecoder:
    """The ceiling: TensorFlow decodes the crops of random clips from JPEGs in memory, on all cores, and nothing else.

    Args:
        shards: where the JPEGs are taken from.
    """

    def __init__(self, shards):
        import tensorflow as tf

        from tsd_tf.contract import schema

        draw = np.random.default_rng(0)
        self.jpegs, self.windows = [], []
        features = {schema.IMAGE_ENCODED: tf.io.FixedLenSequenceFeature((), tf.string)}
        for record in tf.data.TFRecordDataset(shards).repeat().take(FLAGS.clips):
            _, sequences = tf.io.parse_single_sequence_example(record, sequence_features=features)
            jpegs = sequences[schema.IMAGE_ENCODED].numpy()
            start = draw.integers(0, len(jpegs) - FLAGS.T + 1)
            height, width = tf.io.extract_jpeg_shape(jpegs[0]).numpy()[:2]
            y, x = draw.integers(0, height - FLAGS.crop_size + 1), draw.integers(0, width - FLAGS.crop_size + 1)
            self.jpegs.append(jpegs[start : start + FLAGS.T].tolist())
            self.windows.append((y, x, FLAGS.crop_size, FLAGS.crop_size))

    def by_frame(self):
        """Frames a second with one call for each frame."""
        import tensorflow as tf

        jpegs = [jpeg for clip in self.jpegs for jpeg in clip]
        frames = tf.data.Dataset.from_tensor_slices((jpegs, np.repeat(np.array(self.windows, np.int32), FLAGS.T, 0)))
        return self._time(frames, lambda jpeg, window: tf.io.decode_and_crop_jpeg(jpeg, window, channels=3))

    def by_clip(self):
        """Frames a second with one call for all frames of a clip."""
        import tensorflow as tf

        def decode(jpegs, window):
            return [tf.io.decode_and_crop_jpeg(jpeg, window, channels=3) for jpeg in tf.unstack(jpegs)]

        clips = tf.data.Dataset.from_tensor_slices((self.jpegs, np.array(self.windows, np.int32)))
        return self._time(clips, decode)

    def _time(self, dataset, decode):
        import tensorflow as tf

        decoded = dataset.map(decode, num_parallel_calls=tf.data.AUTOTUNE)
        count_all = tf.function(lambda: decoded.reduce(np.int64(0), lambda count, *_: count + 1))
        count_all.get_concrete_function()
        began = time.perf_counter()
        count_all().numpy()
        return len(self.jpegs) * FLAGS.T / (time.perf_counter() - began)


class Mp4Reader:
    """Clips from mp4 files, as many at a time as there are cores.

    Args:
        paths: the files.
    """

    def __init__(self, paths):
        self.paths = paths
        self.draw = np.random.default_rng(0)

    def frames_a_second(self, read_clip):
        """Frames a second with a function of a path and a place."""
        paths = [self.paths[index % len(self.paths)] for index in range(FLAGS.clips)]
        places = self.draw.uniform(size=(FLAGS.clips, 3))
        began = time.perf_counter()
        with concurrent.futures.ThreadPoolExecutor(machine.num_cores()) as pool:
            clips = list(pool.map(lambda path, place: read_clip(path, place).shape, paths, places))
        if set(clips) != {(FLAGS.T, FLAGS.crop_size, FLAGS.crop_size, 3)}:
            raise UserError(f"expected clips of {FLAGS.T} frames, got the shapes {sorted(set(clips))}")
        return FLAGS.clips * FLAGS.T / (time.perf_counter() - began)


def _clip_by_opencv(path, place):
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    try:
        start = int(place[0] * (capture.get(cv2.CAP_PROP_FRAME_COUNT) - FLAGS.T + 1))
        capture.set(cv2.CAP_PROP_POS_FRAMES, start)
        pictures = []
        while len(pictures) < FLAGS.T:
            found, picture = capture.read()
            if not found:
                raise UserError(f"expected {FLAGS.T} frames from frame {start} of {path}, OpenCV reads {len(pictures)}")
            pictures.append(cv2.cvtColor(_crop(_scaled(picture), place), cv2.COLOR_BGR2RGB))
    finally:
        capture.release()
    return np.stack(pictures)


def _clip_by_decord(path, place):
    import decord

    height, width = decord.VideoReader(str(path), num_threads=1)[0].shape[:2]
    width, height = _scaled_size(height, width)
    reader = decord.VideoReader(str(path), num_threads=1, width=width, height=height)
    start = int(place[0] * (len(reader) - FLAGS.T + 1))
    pictures = reader.get_batch(range(start, start + FLAGS.T)).asnumpy()
    return np.stack([_crop(picture, place) for picture in pictures])


def _scaled_size(height, width):
    factor = FLAGS.short_side / min(height, width)
    return round(width * factor), round(height * factor)


def _scaled(picture):
    size = _scaled_size(*picture.shape[:2])
    return picture if size == picture.shape[1::-1] else cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


def _crop(picture, place):
    size = FLAGS.crop_size
    y, x = (int(share * (length - size + 1)) for share, length in zip(place[1:], picture.shape, strict=False))
    return picture[y : y + size, x : x + size]


def reading(shards, paths):
    """Frames a second of every way of reading, in turn."""
    known, decoder, mp4 = training_clips(shards), JpegDecoder(shards), Mp4Reader(paths)
    ways = {
        # In the first epoch every record is read whole for its checksum; later the records are known.
        "reader_first_epoch": lambda: read(training_clips(shards), max(1, FLAGS.videos // FLAGS.batch_size - _WARM_UP)),
        "reader": lambda: read(known, -(-FLAGS.clips // FLAGS.batch_size)),
        "jpeg_decode_by_frame": decoder.by_frame,
        "jpeg_decode_by_clip": decoder.by_clip,
        "opencv_mp4": functools.partial(mp4.frames_a_second, _clip_by_opencv),
    }
    if machine.versions("decord")["decord"]:
        ways["decord_mp4"] = functools.partial(mp4.frames_a_second, _clip_by_decord)
    speeds = in_turn.measure(ways, FLAGS.rounds)
    fastest = max((name for name in ways if name.endswith("mp4")), key=lambda name: statistics.median(speeds[name]))
    return {
        "frames_per_second": {name: statistics.median(found) for name, found in speeds.items()},
        "rounds": speeds,
        "reader_to_jpeg_decode_by_frame": in_turn.ratio(speeds, "reader", "jpeg_decode_by_frame"),
        "reader_to_jpeg_decode_by_clip": in_turn.ratio(speeds, "reader", "jpeg_decode_by_clip"),
        "reader_first_epoch_to_jpeg_decode_by_frame": in_turn.ratio(
            speeds, "reader_first_epoch", "jpeg_decode_by_frame"
        ),
        "reader_to_fastest_mp4": {"beside": fastest, "ratio": in_turn.ratio(speeds, "reader", fastest)},
        "decord": "measured" if "decord_mp4" in ways else "not measured: it is not installed",
    }


def memory(shards):
    """Resident megabytes at the end of every epoch of one iteration."""
    steps = FLAGS.videos // FLAGS.batch_size
    resident = []
    with contextlib.closing(iter(training_clips(shards))) as batches:
        for _ in tqdm(range(FLAGS.epochs), desc="memory", unit="epoch"):
            for _ in range(steps):
                next(batches)
            gc.collect()
            resident.append(_resident_megabytes())
    half = len(resident) // 2
    return {
        "resident_megabytes": resident,
        "growth_from_first_half_to_second": statistics.median(resident[half:]) / statistics.median(resident[:half]) - 1,
    }


def _resident_megabytes():
    status = pathlib.Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS"))


def main(argv):
    """Measures what the flags say."""
    command_line.no_arguments(argv)
    if FLAGS.crop_size > FLAGS.short_side or FLAGS.batch_size > FLAGS.videos:
        raise UserError(
            f"--crop_size must not be larger than --short_side, nor --batch_size than --videos. Received: "
            f"{FLAGS.crop_size}, {FLAGS.short_side}, {FLAGS.batch_size}, {FLAGS.videos}"
        )
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        videos_dir, data_dir = folder / "videos", folder / "data"
        videos_dir.mkdir()
        rows = write_videos(videos_dir)
        build(rows, videos_dir, data_dir, machine.num_cores())  # a warm-up as well
        built = builder(rows, videos_dir, folder)

        from tsd_tf.data.shards import find_shards

        shards = find_shards(data_dir, "train")
        paths = [videos_dir / row.path for row in rows]
        found = {
            "machine": machine.describe(),
            "versions": machine.versions("tensorflow", "numpy", "opencv-python-headless", "decord"),
            "settings": {
                name: FLAGS[name].value
                for name in ("video", "videos", "T", "crop_size", "short_side", "batch_size", "clips")
            },
            "bytes_per_video": {
                "mp4": sum(path.stat().st_size for path in paths) / len(paths),
                "record": sum(pathlib.Path(shard).stat().st_size for shard in shards) / len(paths),
            },
            "builder": built,
            "reading": reading(shards, paths),
            "memory": memory(shards),
        }
    in_turn.write(FLAGS.output, found)


if __name__ == "__main__":
    command_line.run(main)
