"""All parts of a build as an Apache Beam pipeline, on many machines that see the same folders.

Only the numbers of parts and pieces travel between them. Workers read videos from the folder of videos and rows from
files that the driver leaves in the build's working folder. They write pieces there with the local builder's code and
under the same names, so that a bundle that the runner retries skips the finished pieces.

Beam's Dask runner is asked for more than Beam does by itself: whether it knows all steps of the pipeline, whether its
workers can take part, and for more than one bundle.
"""

import contextlib
import functools
import logging
import multiprocessing
import os
import pathlib
import pickle
import platform
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import tqdm

import tsd_tf
from tsd_tf.building.part import Part
from tsd_tf.building.worker import Worker
from tsd_tf.contract import files
from tsd_tf.contract.errors import UserError
from tsd_tf.video.video import decoder_versions

logging.disable(logging.WARNING)  # while Beam names packages of clouds that are not asked for
try:
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions
    from apache_beam.pipeline import PipelineVisitor
except ImportError as error:
    raise UserError(f"`beam_options` requires Apache Beam: pip install 'tsd_tf[beam]' ({error})") from error
finally:
    logging.disable(logging.NOTSET)

# Bundles on Dask: enough for workers that join later, and few enough for the scheduler to sort their pieces by part.
_MIN_DASK_BUNDLES = 256
_DASK_BUNDLES_PER_THREAD = 4


def run(parts: Sequence[Part], videos_dir: str, beam_options: Sequence[str], hang_seconds: float) -> None:
    """Converts whatever is not finished yet.

    Args:
        parts: with absolute paths.
        videos_dir: absolute path; a worker that does not see it fails.
        beam_options: what Beam's PipelineOptions parses, the runner included; `DaskRunner` is known as well.
        hang_seconds: see Worker.

    Raises:
        UserError: Beam does not know the runner, the runner does not know a step of the pipeline, workers cannot take
            part, or the pipeline fails.
    """
    for part in parts:
        files.write(_tasks_path(part.working_dir, part.number), pickle.dumps(part))
    working_dir = parts[0].working_dir
    pieces = [(part.number, index) for part in parts if not part.is_finished() for index in range(len(part))]
    if not pieces:
        return
    convert = _Convert(working_dir, videos_dir, hang_seconds)
    options = PipelineOptions(beam_options)
    with contextlib.ExitStack() as stack:
        if _is_dask(options):
            _refuse_what_dask_skips(_pipeline(options, pieces, convert))
            options = stack.enter_context(_dask(options, beam_options, len(pieces), convert))
        pipeline = _pipeline(options, pieces, convert)
        try:
            with _progress(parts):
                result = pipeline.run()
                if _is_dask(options):
                    stack.callback(result.client.close)
                result.wait_until_finish()
                if _is_dask(options) and any(future.status != "finished" for future in result.futures):
                    raise RuntimeError("the connection to Dask's scheduler is lost")  # of which Beam says nothing
        except Exception as error:  # Beam has logged it, with its traceback
            reason = str(error).strip() or type(error).__name__
            if not _is_dask(options):
                reason = reason.rpartition("\n")[2]  # before it comes the worker's traceback
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
        self.working_dir, self._videos_dir, self._hang_seconds = working_dir, videos_dir, hang_seconds
        self._worker: Worker | None = None
        self.versions = _versions()
        self._videos = beam.metrics.Metrics.counter("tsd_tf", "videos")

    def objection(self) -> str:
        """Why this process cannot take part; empty if it can."""
        if not os.path.isdir(self._videos_dir):
            # Otherwise one machine's missing mount would make thousands of rows unreadable.
            return f"does not see the folder of videos, {self._videos_dir}"
        if not self.working_dir.is_dir():
            return f"does not see the folder of the build, {self.working_dir}"
        return _other_versions(self.versions)

    def setup(self) -> None:
        objection = self.objection()
        if objection:
            raise RuntimeError(f"this worker {objection}")
        if multiprocessing.current_process().daemon:
            # A Dask worker under its nanny is one, and could not start processes. Its own still end with it: they are
            # ended when it exits, and end by themselves at the end of their pipe when it is killed.
            multiprocessing.current_process().daemon = False
        self._worker = None

    def process(self, element):
        number, index = element
        part = _read_part(self.working_dir, number)
        piece = part.piece(index)
        # In this order: a part takes its name before its pieces go.
        if not piece.is_finished() and not part.is_finished():
            try:
                self._worker = self._worker or Worker(self._hang_seconds)  # none for bundles that are finished
                self._worker.assign(piece)
                while self._worker.poll() is None:
                    self._worker.connection.poll(1.0)
            except BaseException:
                self.teardown()  # which Dask leaves out after an error
                raise
            self._videos.inc(len(piece))
        yield element

    def teardown(self) -> None:
        if self._worker is not None:
            self._worker.kill()


def _versions() -> dict[str, str]:
    """What has to be the same on all machines, for equal pictures and to understand each other."""
    python = ".".join(platform.python_version_tuple()[:2])
    return {"Python": python, "tsd_tf": tsd_tf.__version__, "apache-beam": beam.__version__, **decoder_versions()}


def _other_versions(versions: dict[str, str]) -> str:
    """Why this process and one with these versions do not fit together; empty if they do."""
    own = _versions()
    differing = [f"{name} {own[name]}, not {version}" for name, version in versions.items() if own[name] != version]
    return f"has other versions than the starting machine: {'; '.join(differing)}" if differing else ""


def _pipeline(options: PipelineOptions, pieces: Sequence[tuple[int, int]], convert: _Convert) -> beam.Pipeline:
    try:
        if _is_dask(options):
            import distributed  # noqa: F401  Beam fails on its absence later, and in other ways
            from apache_beam.runners.dask.dask_runner import DaskRunner

            pipeline = beam.Pipeline(DaskRunner(), options)  # Beam does not know it by its short name
        else:
            pipeline = beam.Pipeline(options=options)
    except ValueError as error:
        raise UserError(str(error)) from error
    except ImportError as error:
        name = options.view_as(StandardOptions).runner
        raise UserError(f"{name} needs packages that are missing: pip install 'tsd_tf[beam]' ({error})") from error
    _ = (
        pipeline
        | "pieces" >> beam.Create(pieces)
        | "spread the pieces" >> beam.Reshuffle()
        | "convert" >> beam.ParDo(convert)
        | "whole parts" >> beam.GroupByKey()
        | "join" >> beam.Map(functools.partial(_join, convert.working_dir))
    )
    return pipeline


def _join(working_dir, element):  # Beam takes annotations for its own type hints
    _read_part(working_dir, element[0]).run({}, lambda num_pieces: None)


def _is_dask(options: PipelineOptions) -> bool:
    runner = options.view_as(StandardOptions).runner or ""
    return runner.rpartition(".")[2].lower() in ("dask", "daskrunner")


def _refuse_what_dask_skips(pipeline: beam.Pipeline) -> None:
    """UserError if Dask lacks a step of a pipeline, which this spoils: Beam would leave the step out silently."""
    from apache_beam.runners.dask import overrides, transform_evaluator

    # Left out, and rightly so: bundles are spread by their number, and grouping has already put the values together.
    needless = {overrides._Reshuffle, overrides._GroupAlsoByWindow}

    class Visitor(PipelineVisitor):
        def visit_transform(self, transform_node: Any) -> None:
            kind = type(transform_node.transform)
            if kind not in needless and kind not in transform_evaluator.TRANSLATIONS:
                raise UserError(
                    f"Beam's Dask runner (apache-beam {beam.__version__}) does not know {kind.__name__}, the transform "
                    f"of '{transform_node.full_label}', and would leave it out; choose another runner or version"
                )

    pipeline.replace_all(overrides.dask_overrides())
    pipeline.visit(Visitor())


@contextlib.contextmanager
def _dask(
    options: PipelineOptions, beam_options: Sequence[str], num_pieces: int, convert: _Convert
) -> Iterator[PipelineOptions]:
    """A context with a cluster whose workers can take part: the options for Beam to use it."""
    import dask
    import distributed
    from apache_beam.runners.dask.dask_runner import DaskOptions

    given = options.view_as(DaskOptions).get_all_options(drop_default=True, current_only=True)
    bundles = DaskOptions._extract_bag_kwargs(given)
    more = []
    logging.getLogger("distributed").setLevel(logging.WARNING)  # not whoever comes and goes
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)  # tracebacks of what is told in one line
    if "scheduler_file" in given and not os.path.exists(given["scheduler_file"]):
        raise UserError(f"no Dask scheduler has written {given['scheduler_file']}")  # Dask would wait for it for ever
    with contextlib.ExitStack() as stack:
        if not given.keys() & {"address", "scheduler_file"} and not dask.config.get("scheduler-address", None):
            cluster = stack.enter_context(distributed.LocalCluster(dashboard_address=":0"))
            given["address"] = cluster.scheduler_address
            more.append(f"--dask_client_address={cluster.scheduler_address}")
        place = given.get("address") or given.get("scheduler_file") or dask.config.get("scheduler-address")
        print(f"Dask: connecting to {place}", flush=True)
        try:
            distributed.comm.get_address_host(given.get("address", "tcp://"))  # a client stumbles over unknown schemes
            client = distributed.Client(**given, set_as_default=False)
        except (OSError, ValueError) as error:
            raise UserError(f"no Dask scheduler answers at {place}: {error}") from error
        with client:
            threads = client.nthreads()
            print(
                f"Dask: {len(threads)} workers with {sum(threads.values())} threads at {client.scheduler.address}"
                + ("" if threads else "; waiting for workers"),
                flush=True,
            )
            try:
                objections = {f"scheduler {client.scheduler.address}": _scheduler_objection(client, convert)}
                for address, objection in client.run(convert.objection, on_error="return").items():
                    objections[f"worker {address}"] = objection
            except OSError as error:
                raise UserError(f"the Dask scheduler at {place} is gone: {error}") from error
        _refuse_any(objections)
        if not bundles:
            num_bundles = max(_MIN_DASK_BUNDLES, _DASK_BUNDLES_PER_THREAD * sum(threads.values()))
            more.append(f"--dask_npartitions={min(num_pieces, num_bundles)}")
        yield PipelineOptions([*beam_options, *more])


def _scheduler_objection(client: Any, convert: _Convert) -> str | Exception:
    """Why Dask's scheduler, which reads the pipeline's steps, cannot; empty if it can."""
    try:
        return client.run_on_scheduler(_other_versions, convert.versions)
    except OSError:
        raise
    except Exception as error:  # whatever it is, over there
        return error


def _refuse_any(objections: dict[str, str | Exception]) -> None:
    """UserError if one of a cluster's processes cannot take part: it has an objection, or ended with an exception."""
    for name, objection in objections.items():
        if isinstance(objection, Exception):
            raise UserError(f"the Dask {name} cannot run this package: {objection}")
        if objection:
            raise UserError(f"the Dask {name} {objection}")


def _tasks_path(working_dir: pathlib.Path, number: int) -> pathlib.Path:
    return working_dir / f"part-{number:05d}.tasks"


def _read_part(working_dir: pathlib.Path, number: int) -> Part:
    return pickle.loads(_tasks_path(working_dir, number).read_bytes())


@contextlib.contextmanager
def _progress(parts: Sequence[Part]) -> Iterator[None]:
    """A context that shows how many videos are finished, on whatever machine."""
    ended = threading.Event()

    def watch() -> None:
        total = sum(part.num_files for part in parts)
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
        part.num_files
        if part.outcomes_path.name in names
        else sum(len(piece) for piece in part.pieces() if piece.outcomes_path.name in names)
        for part in parts
    )
