"""What a person and a plot see of a running stage."""

import contextlib
import json
import sys

import numpy as np
from tqdm import tqdm

from tsd_tf.training.matrix_watch import MatrixWatch

_STEPS_A_LINE = 10
_SHOWN = ("loss", "accuracy", "entropy")


class Progress:
    """A progress bar with time left, a line of means in `log.jsonl` every ten steps, and the same for TensorBoard.

    Validation has lines of its own, {"stage", "step", "validation": {...}}, and so have warnings about P, which are
    also printed.

    Args:
        work_directory: a WorkDirectory; lines are appended to its log.jsonl.
        stage: the Stage.
        position: steps that earlier runs have done: {"step": in this stage, "total_steps": in all}.
        clips_a_step: the global batch size.
        num_frames: T.
        summaries: Summaries.
    """

    def __init__(self, work_directory, stage, position, clips_a_step, num_frames, summaries):
        self.stage = stage
        self.step = position["step"]
        self.steps_before = position["total_steps"] - position["step"]
        self.clips_a_step = clips_a_step
        self.watch = MatrixWatch(num_frames, stage.num_steps)
        self.summaries = summaries
        self.recent = []
        self.file = open(work_directory.path / "log.jsonl", "a")  # noqa: SIM115 (closed by __exit__)
        self.bar = tqdm(total=stage.num_steps, initial=self.step, desc=stage.name, unit="step", mininterval=1.0)

    def update(self, values, learning_rate):
        """Takes the scalars of one step, as {name: float}."""
        self.step += 1
        self.recent.append(values)
        self.bar.update()
        if "entropy" in values and (warning := self.watch.update(values["entropy"], values["maximum"])):
            self.bar.write(f"warning: step {self.step} of stage {self.stage.name}: {warning}", file=sys.stderr)
            self._write({"warning": warning})
        if self.step % _STEPS_A_LINE and self.step != self.stage.num_steps:
            return
        means = {name: float(np.mean([one[name] for one in self.recent])) for name in values}
        self.recent = []
        speed = self.clips_a_step * (self.bar.format_dict["rate"] or 0.0)
        shown = {name: f"{means[name]:.3f}" for name in _SHOWN if name in means}
        self.bar.set_postfix(shown | {"rate": f"{learning_rate:g}", "clips/s": f"{speed:.3g}"})
        line = {"learning_rate": learning_rate, "clips_per_second": speed, **means}
        self._write(line)
        self._summarise("training", line)

    def validated(self, result):
        """Takes what Validation.run returned."""
        self.bar.write(
            f"step {result['total_steps']}: top-1 {result['top1']:.1%} (standard error "
            f"{result['top1_standard_error']:.1%}) on {result['videos']} videos of {result['split']}"
        )
        self._write({"validation": result})
        self._summarise("validation", {name: result[name] for name in ("top1", "top5")})

    def _write(self, line):
        self.file.write(json.dumps({"stage": self.stage.name, "step": self.step, **line}) + "\n")
        self.file.flush()

    def _summarise(self, group, values):
        tagged = {f"{group}/{name}": value for name, value in values.items()}
        self.summaries.scalars(tagged, self.steps_before + self.step)
        self.summaries.flush()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.bar.close()
        self.file.close()


class Silence(contextlib.nullcontext):
    """What the workers other than the chief show of a stage: nothing."""

    def __enter__(self):
        return self

    def update(self, values, learning_rate):
        """Takes what Progress takes."""
