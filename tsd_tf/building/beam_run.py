"""All parts of a build as an Apache Beam pipeline, on many machines that see the same folders.

Only the numbers of parts and pieces travel between them. Workers read videos from the folder of videos and rows from
files that the driver leaves in the build's working folder. They write pieces there with the local builder's code and
under the same names, so that a bundle that the runner retries skips the finished pieces.
"""

import contextlib
import functools
import os
import pathlib
import pickle
import threading
from collections.abc import Iterator, Sequence

import tqdm

from tsd_tf.building.part import Part
from tsd_tf.building.worker import Worker
from tsd_tf.contract import files
from tsd_tf.contract.errors import UserError

try:
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions
except ImportError as error:
    raise UserError(f"`beam_options` requires Apache Beam: pip install 'tsd_tf[beam]' ({error})") from error


def run(parts: Sequence[Part], videos_dir: str, beam_options: Sequence[str], hang_seconds: float) -> None:
    """Converts whatever is not finished yet.

    Args:
        parts: with absolute paths.
        videos_dir: absolute path; a worker that does not see it fails.
        beam_options: what Beam's PipelineOptions parses, the runner included.
        hang_seconds: see Worker.

    Raises:
        UserError: Beam does not know the runner, or the pipeline fails.
    """
    for part in parts:
        files.write(_tasks_path(part.working_dir, part.number), pickle.dumps(part))
    working_dir = parts[0].working_dir
    try:
        pipeline = beam.Pipeline(options=PipelineOptions(beam_options))
    except ValueError as error:
        raise UserError(str(error)) from error
    _ = (
        pipeline
        | "parts" >> beam.Create([part.number for part in parts])
        | "spread the parts" >> beam.Reshuffle()
        | "pieces" >> beam.FlatMap(functools.partial(_pieces, working_dir))
        | "spread the pieces" >> beam.Reshuffle()
        | "convert" >> beam.ParDo(_Convert(working_dir, videos_dir, hang_seconds))
        | "whole parts" >> beam.GroupByKey()
        | "join" >> beam.Map(functools.partial(_join, working_dir))
    )
    try:
        with _progress(parts):
            pipeline.run().wait_until_finish()
    except Exception as error:  # Beam has logged it, with its traceback
        reason = str(error).strip().rpartition("\n")[2]
        raise UserError(
            f"the Beam pipeline failed: {reason}; run the same command again to go on from what is finished"
        ) from error
    missing = [part.number for part in parts if not part.is_finished()]
    if missing:
        raise UserError(
            f"the pipeline ended without {len(missing)} parts; do all workers see this machine's {working_dir}?"
        )


class _Convert(beam.DoFn):
    """Takes (part, index) of a piece, writes the piece and passes the pair on."""

    def __init__(self, working_dir: pathlib.Path, videos_dir: str, hang_seconds: float) -> None:
        self._working_dir, self._videos_dir, self._hang_seconds = working_dir, videos_dir, hang_seconds
        self._videos = beam.metrics.Metrics.counter("tsd_tf", "videos")

    def setup(self) -> None:
        if not os.path.isdir(self._videos_dir):
            # Otherwise one machine's missing mount would make thousands of rows unreadable.
            raise RuntimeError(f"this worker does not see the folder of videos, {self._videos_dir}")
        self._worker = Worker(self._hang_seconds)

    def process(self, element):
        number, index = element
        piece = _read_part(self._working_dir, number).piece(index)
        if not piece.is_finished():
            self._worker.assign(piece)
            while self._worker.poll() is None:
                self._worker.connection.poll(1.0)
            self._videos.inc(len(piece))
        yield element

    def teardown(self) -> None:
        self._worker.kill()


def _pieces(working_dir, number):  # Beam takes annotations for its own type hints
    part = _read_part(working_dir, number)
    return [] if part.is_finished() else [(number, index) for index in range(len(part))]


def _join(working_dir, element):
    _read_part(working_dir, element[0]).run({}, lambda num_pieces: None)


def _tasks_path(working_dir: pathlib.Path, number: int) -> pathlib.Path:
    return working_dir / f"part-{number:05d}.tasks"


def _read_part(working_dir: pathlib.Path, number: int) -> Part:
    return pickle.loads(_tasks_path(working_dir, number).read_bytes())


@contextlib.contextmanager
def _progress(parts: Sequence[Part]) -> Iterator[None]:
    """A context that shows how many videos are finished, on whatever machine."""
    ended = threading.Event()

    def watch() -> None:
        total = sum(len(part.tasks) for part in parts)
        with tqdm.tqdm(total=total, initial=_num_finished(parts), unit="video", smoothing=0.05) as bar:
            while not ended.wait(5):
                bar.update(_num_finished(parts) - bar.n)
            bar.update(_num_finished(parts) - bar.n)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()


def _num_finished(parts: Sequence[Part]) -> int:
    names = set(os.listdir(parts[0].working_dir))
    return sum(
        len(part.tasks)
        if part.outcomes_path.name in names
        else sum(len(piece) for piece in part.pieces() if piece.outcomes_path.name in names)
        for part in parts
    )
