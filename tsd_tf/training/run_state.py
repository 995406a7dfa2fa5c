"""How far a run is: what its observers look at, and what a checkpoint holds."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from tsd_tf.config import Stage
from tsd_tf.network import FewFrameNetwork
from tsd_tf.training.observer import Observer


@dataclasses.dataclass
class RunState:
    """A run between two steps.

    Attributes:
        network: the FewFrameNetwork that is trained.
        stage: the Stage that runs, or is about to.
        stage_index: its number.
        step: steps taken in it.
        total_steps: steps taken in all stages.
        training_variables: what else the stage needs to go on: optimiser slots, a temporary head's weights.
        clips_a_step: the global batch size.
        learning_rate: of the last step, or of the one that begins.
        values: the scalars of the last step, {name: float}.
        checkpoint_is_due: whether a checkpoint is written after the last step.
        observers: who is told, in this order.
    """

    network: FewFrameNetwork
    stage: Stage
    stage_index: int = 0
    step: int = 0
    total_steps: int = 0
    training_variables: Sequence[Any] = ()
    clips_a_step: int = 0
    learning_rate: float = 0.0
    values: dict[str, float] = dataclasses.field(default_factory=dict)
    checkpoint_is_due: bool = False
    observers: list[Observer] = dataclasses.field(default_factory=list)

    @property
    def position(self) -> dict[str, int]:
        """Where the run is, as checkpoints hold it: {"stage": index, "step": ..., "total_steps": ...}."""
        return {"stage": self.stage_index, "step": self.step, "total_steps": self.total_steps}

    def tell(self, event: str, *values: Any) -> None:
        """Calls the method of this name of every observer."""
        for observer in self.observers:
            getattr(observer, event)(self, *values)

    def report(self, line: dict[str, Any]) -> None:
        """Gives all observers a line; see Observer.reported."""
        self.tell("reported", line)


def learning_rate(stage: Stage, step: int) -> float:
    """The rate of step `step` (0, 1, ...) of a Stage: multi-step decay (Section 4.2).

    A stage that decays at steps b_1 < b_2 < ... trains step s at learning_rate * decay_factor ** #{b_i <= s}.
    """
    return stage.learning_rate * stage.decay_factor ** sum(step >= boundary for boundary in stage.boundaries)
