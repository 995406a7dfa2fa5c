"""What a person sees of a running stage."""

import sys
from typing import Any

import numpy as np
from tqdm import tqdm

from tsd_tf.training.matrix_watch import MatrixWatch
from tsd_tf.training.observer import Observer
from tsd_tf.training.run_state import RunState

_STEPS_A_LINE = 10
_SHOWN = ("loss", "accuracy", "entropy", "rate_kb")


class Progress(Observer):
    """A progress bar with the time left. Reports the means of every ten steps; reports and prints warnings about P.

    Args:
        num_frames: T.
    """

    def __init__(self, num_frames: int) -> None:
        self.num_frames = num_frames
        self.bar: Any = None

    def stage_begins(self, state: RunState) -> None:
        stage = state.stage
        self.watch = MatrixWatch(self.num_frames, stage.num_steps)
        self.recent: list[dict[str, float]] = []
        self.bar = tqdm(total=stage.num_steps, initial=state.step, desc=stage.name, unit="step", mininterval=1.0)

    def step_ends(self, state: RunState) -> None:
        stage, values = state.stage, state.values
        self.recent.append(values)
        self.bar.update()
        if "entropy" in values and (warning := self.watch.update(values["entropy"], values["maximum"])):
            self.bar.write(f"warning: step {state.step} of stage {stage.name}: {warning}", file=sys.stderr)
            state.report({"warning": warning})
        if state.step % _STEPS_A_LINE and state.step != stage.num_steps:
            return
        means = {name: float(np.mean([one[name] for one in self.recent])) for name in values}
        self.recent = []
        speed = state.clips_a_step * (self.bar.format_dict["rate"] or 0.0)
        shown = {name: f"{means[name]:.3f}" for name in _SHOWN if name in means}
        self.bar.set_postfix(shown | {"rate": f"{state.learning_rate:g}", "clips/s": f"{speed:.3g}"})
        state.report({"learning_rate": state.learning_rate, "clips_per_second": speed, **means})

    def stage_ends(self, state: RunState) -> None:
        self.close()

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()
