"""Damages small videos of many formats on and on, and watches what reads them: builder, verification and client.

    python -m benchmarks.fuzz_video --minutes=30
    python -m benchmarks.fuzz_video --seed=123 --files=1

Every file has to end with a status or one line: no crash, no hang over 10 s, and no process with more than 1 GB of
resident memory. What does otherwise is kept in --folder, with a text that says what happened. Ctrl-C ends the run with
its report. The exit code is 1 if there are findings. It needs Linux, which tells how much memory processes take.
"""

import collections
import contextlib
import os
import pathlib
import random
import tempfile
import time

from absl import flags
from tqdm import tqdm

from tsd_tf.contract import files
from tsd_tf.programs import command_line
from tsd_tf.reporting import machine

FLAGS = flags.FLAGS
flags.DEFINE_float("minutes", 30, "how long to go on", lower_bound=0)
flags.DEFINE_integer("files", None, "how many files at most (default: no end)", lower_bound=1)
flags.DEFINE_integer("seed", None, "of the first file; each one has the next number (default: another in every run)")
flags.DEFINE_string("folder", "fuzz_findings", "folder for the files that bring something about")
flags.DEFINE_string("output", "fuzz_video.json", "file to write")


@contextlib.contextmanager
def _errors_in(path):
    """Standard error, which the processes share, goes into a file; yields what writes to the terminal's."""
    terminal = os.dup(2)
    with open(path, "ab") as file, os.fdopen(terminal, "w") as screen:
        os.dup2(file.fileno(), 2)
        try:
            yield screen
        finally:
            os.dup2(terminal, 2)


def _keep(name, seed, content, how, findings, errors):
    folder = pathlib.Path(FLAGS.folder)
    folder.mkdir(parents=True, exist_ok=True)
    stem, suffix = os.path.splitext(name)
    path = folder / f"{stem}-{seed}{suffix}"
    path.write_bytes(content)
    lines = [f"seed {seed}, {name}: {how}", *(f"{finding.stage}: {finding.what}" for finding in findings)]
    _, start, tracebacks = errors.partition("Traceback")  # what comes before is libjpeg's complaints
    path.with_name(f"{path.name}.txt").write_text("\n".join([*lines, start + tracebacks]))
    return {"file": str(path), "seed": seed, "damage": how, "findings": lines[1:]}


def _fuzz(folder, seed):
    from benchmarks import small_videos
    from benchmarks.fuzz_trial import FuzzTrial
    from benchmarks.mutations import mutated_one

    originals = small_videos.contents(folder)
    kept, formats = [], collections.Counter()
    log = folder / "errors"
    with _errors_in(log) as screen, contextlib.closing(FuzzTrial(folder)) as trial:
        began = time.monotonic()
        progress = tqdm(total=FLAGS.files, unit="file", smoothing=0.05, file=screen)
        try:
            while time.monotonic() - began < 60 * FLAGS.minutes and progress.n != FLAGS.files:
                name, content, how = mutated_one(originals, seed)
                path = folder / f"damaged-{name}"
                path.write_bytes(content)
                os.truncate(log, 0)
                findings = trial.run(path, seed)
                formats[name] += 1
                if findings:
                    kept.append(_keep(name, seed, content, how, findings, log.read_text(errors="replace")))
                    for line in (kept[-1]["file"], *kept[-1]["findings"]):
                        progress.write(line, file=screen)
                progress.set_postfix(findings=len(kept), refresh=False)
                progress.update()
                seed += 1
        except KeyboardInterrupt:
            progress.write("interrupted", file=screen)
        finally:
            progress.close()
        seconds = time.monotonic() - began
    return {
        "machine": machine.describe(),
        "seconds": seconds,
        "files": sum(formats.values()),
        "formats": dict(formats),
        "statuses": trial.statuses,
        "slowest_seconds": trial.slowest_seconds,
        "peak_megabytes": {stage: peak / 1e6 for stage, peak in trial.peak_bytes.items()},
        "findings": kept,
    }


def main(argv):
    """Writes the report and prints a summary; returns 1 if there are findings."""
    command_line.no_arguments(argv)
    seed = random.SystemRandom().randrange(1 << 32) if FLAGS.seed is None else FLAGS.seed
    with tempfile.TemporaryDirectory() as folder:
        found = {"first_seed": seed, **_fuzz(pathlib.Path(folder), seed)}
    files.write_json(pathlib.Path(FLAGS.output), found)
    for stage, statuses in found["statuses"].items():
        counts = ", ".join(f"{count} {status}" for status, count in sorted(statuses.items())) or "nothing to read"
        seconds, megabytes = found["slowest_seconds"][stage], found["peak_megabytes"][stage]
        print(f"{stage}: {counts}; at most {seconds:.1f} s and {megabytes:.0f} MB")
    kept = found["findings"]
    where = f", in {FLAGS.folder}" if kept else ""
    print(f"{found['files']} files in {found['seconds']:.0f} s: {len(kept)} findings{where}; {FLAGS.output}")
    return 1 if kept else 0


if __name__ == "__main__":
    command_line.run(main, extra="build")
