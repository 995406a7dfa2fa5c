"""One damaged file through everything that reads files from outside: builder, verification and the client's capture."""

import contextlib
import dataclasses
import json
import multiprocessing.connection
import pathlib
import time
import traceback
from collections.abc import Callable, Iterator, Mapping

from benchmarks.mutations import mutate
from tsd_tf.building import conversion, verification
from tsd_tf.building.annotations import Row
from tsd_tf.building.candidate import Candidate
from tsd_tf.building.piece import Piece
from tsd_tf.building.worker import Worker
from tsd_tf.client import capture
from tsd_tf.contract import files, signatures
from tsd_tf.contract.errors import UnreadableVideoError
from tsd_tf.data import tfrecord
from tsd_tf.video.isolated_decoder import IsolatedDecoder

MAX_SECONDS = 10.0  # a file may take in each stage
MAX_BYTES = 1 << 30  # of resident memory
_SIZE, _FRAME_RATE = 32, 25.0
_CLASS_NAMES = ("a class",)
_RECORD_HEADER, _RECORD_FOOTER = 12, 4  # bytes around a record's message
_LOST = ("crashed", "busy")  # what a reason says when a process was lost


@dataclasses.dataclass(frozen=True)
class Finding:
    """What should not have happened.

    Attributes:
        stage: "build", "verify" or "client".
        what: in words.
    """

    stage: str
    what: str


@dataclasses.dataclass(frozen=True)
class _ShardCheck:
    """A job for a Worker: verifies one shard and writes the problems, as JSON."""

    shard: pathlib.Path

    @property
    def problems_path(self) -> pathlib.Path:
        return self.shard.with_suffix(".problems")

    def __len__(self) -> int:
        return 1

    def run(self, given_up: Mapping[int, str], report: Callable[[int], None]) -> None:
        problems = [given_up[0]] if given_up else verification.verify_shard(self.shard, _CLASS_NAMES).problems
        files.write_json(self.problems_path, problems)


class FuzzTrial:
    """Runs files through the builder's worker process, the verification and the client's decoding process.

    Args:
        folder: for what the builder writes.

    Attributes:
        statuses: {stage: {status: number of files}}.
        peak_bytes: {stage: the most resident memory that one of the processes had}.
        slowest_seconds: {stage: of one file}.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        self.statuses: dict[str, dict[str, int]] = {"build": {}, "verify": {}, "client": {}}
        self.peak_bytes = dict.fromkeys(self.statuses, 0)
        self.slowest_seconds = dict.fromkeys(self.statuses, 0.0)
        self._folder = folder
        self._worker = Worker(MAX_SECONDS)
        self._decoder = IsolatedDecoder(MAX_SECONDS)
        self._findings: list[Finding] = []

    def close(self) -> None:
        """Ends the processes."""
        self._worker.kill()
        self._decoder.close()

    def run(self, path: pathlib.Path, seed: int) -> list[Finding]:
        """What one file brings about that it should not.

        Args:
            path: of the file.
            seed: of the damage to the shard that is built from it.
        """
        self._findings = []
        with self._watched("build"):
            shard = self._build(path)
        if shard is not None:
            with self._watched("verify"):
                self._verify(shard, seed)
        with self._watched("client"):
            self._capture(path)
        return self._findings

    def _build(self, path: pathlib.Path) -> pathlib.Path | None:
        """The shard, or None if there is no record."""
        row = Row(1, path.stem, 0, _CLASS_NAMES[0], 0.0, None, path=path.name)
        task = conversion.Task(0, row, (Candidate(str(path), path.name, 0.0, None),))
        piece = Piece(self._folder, 0, 0, (task,), conversion.Settings(_FRAME_RATE, _SIZE))
        if not self._work(piece, "build"):
            return None
        (outcome,) = (conversion.Outcome(*item) for item in json.loads(piece.outcomes_path.read_text()))
        self._judge("build", outcome.status, outcome.reason)
        return piece.path if outcome.has_record else None

    def _verify(self, shard: pathlib.Path, seed: int) -> None:
        """The shard itself, then damaged, then with a damaged message in a whole record."""
        content = shard.read_bytes()
        damaged = mutate(content, seed)[0], tfrecord.frame(mutate(content[_RECORD_HEADER:-_RECORD_FOOTER], seed)[0])
        for contents in (content, *damaged):
            shard.write_bytes(contents)
            check = _ShardCheck(shard)
            if self._work(check, "verify"):
                problems = json.loads(check.problems_path.read_text())
                if problems and contents is content:
                    self._add("verify", f"a shard as the builder wrote it: {problems}")
                self._judge("verify", "problems" if problems else "no problem", *problems[:1])

    def _work(self, job: Piece | _ShardCheck, stage: str) -> bool:
        """Has the worker do a job; whether it did it."""
        try:
            self._worker.assign(job)
            while self._worker.poll() is None:
                multiprocessing.connection.wait([self._worker.connection], timeout=0.5)
        except (OSError, RuntimeError) as error:
            self._add(stage, f"{type(error).__name__}: {error}")
            self._worker.kill()
            self._worker = Worker(MAX_SECONDS)
            return False
        return True

    def _capture(self, path: pathlib.Path) -> None:
        model = signatures.ClientModel(1, "fuzz", 8, 2, _SIZE, _SIZE, _FRAME_RATE, 2, None, (), ())
        count, began = 0, time.monotonic()
        try:
            with contextlib.closing(capture.video_frames(path, model, self._decoder)) as frames:
                for frame in frames:
                    count += 1
                    if frame.shape != (_SIZE, _SIZE, 3):
                        self._add("client", f"a frame of shape {frame.shape}")
                    if time.monotonic() - began > MAX_SECONDS:
                        self._add("client", f"no end after {count} frames")
                        break
            self._judge("client", "frames" if count else "no frames")
        except UnreadableVideoError as error:
            self._judge("client", "unreadable", str(error))
        except Exception:
            self._add("client", traceback.format_exc())

    def _judge(self, stage: str, status: str, reason: str = "") -> None:
        self.statuses[stage][status] = self.statuses[stage].get(status, 0) + 1
        if any(word in reason for word in _LOST):
            self._add(stage, reason)
        if len(reason.splitlines()) > 1:
            self._add(stage, f"more than one line: {reason!r}")

    def _add(self, stage: str, what: str) -> None:
        self._findings.append(Finding(stage, what))

    @contextlib.contextmanager
    def _watched(self, stage: str) -> Iterator[None]:
        for child in _children():
            with contextlib.suppress(OSError):
                pathlib.Path(f"/proc/{child}/clear_refs").write_text("5")  # the peak starts anew
        began = time.monotonic()
        yield
        seconds = time.monotonic() - began
        peak = max(map(_peak_bytes, _children()), default=0)
        self.slowest_seconds[stage] = max(seconds, self.slowest_seconds[stage])
        self.peak_bytes[stage] = max(peak, self.peak_bytes[stage])
        if seconds > MAX_SECONDS:
            self._add(stage, f"took {seconds:.1f} s")
        if peak > MAX_BYTES:
            self._add(stage, f"took {peak / 1e6:.0f} MB of memory")


def _children() -> list[int]:
    """The processes that this one has started."""
    found: list[int] = []
    for task in pathlib.Path("/proc/self/task").iterdir():
        with contextlib.suppress(FileNotFoundError):  # a thread that has ended since
            found += map(int, (task / "children").read_text().split())
    return found


def _peak_bytes(process: int) -> int:
    with contextlib.suppress(OSError):
        for line in pathlib.Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) << 10
    return 0
