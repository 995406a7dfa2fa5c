"""What a person and a plot see of a running stage."""

import json

import numpy as np
from tqdm import tqdm

_STEPS_A_LINE = 10


class Progress:
    """A progress bar with rate and time left, and a line of means in `log.jsonl` every ten steps.

    Validation has lines of its own, {"stage", "step", "validation": {...}}.

    Args:
        path: of log.jsonl; lines are appended.
        stage: the Stage.
        first_step: steps that earlier runs have done.
        clips_a_step: the global batch size.
    """

    def __init__(self, path, stage, first_step, clips_a_step):
        self.stage = stage
        self.step = first_step
        self.clips_a_step = clips_a_step
        self.recent = []
        self.file = open(path, "a")  # noqa: SIM115 (closed by __exit__)
        self.bar = tqdm(total=stage.num_steps, initial=first_step, desc=stage.name, unit="step", mininterval=1.0)

    def update(self, values, learning_rate):
        """Takes the scalars of one step, as {name: float}."""
        self.step += 1
        self.recent.append(values)
        self.bar.update()
        if self.step % _STEPS_A_LINE and self.step != self.stage.num_steps:
            return
        means = {name: float(np.mean([one[name] for one in self.recent])) for name in values}
        self.recent = []
        self.bar.set_postfix({name: f"{value:.3f}" for name, value in means.items()} | {"rate": f"{learning_rate:g}"})
        line = {
            "stage": self.stage.name,
            "step": self.step,
            "learning_rate": learning_rate,
            "clips_per_second": self.clips_a_step * (self.bar.format_dict["rate"] or 0.0),
            **means,
        }
        self._write(line)

    def validated(self, result):
        """Takes what Validation.run returned: a line of its own in log.jsonl, and one for the person."""
        self.bar.write(
            f"step {result['total_steps']}: top-1 {result['top1']:.1%} (standard error "
            f"{result['top1_standard_error']:.1%}) on {result['videos']} videos of {result['split']}"
        )
        self._write({"stage": result["stage"], "step": result["step"], "validation": result})

    def _write(self, line):
        self.file.write(json.dumps(line) + "\n")
        self.file.flush()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.bar.close()
        self.file.close()
