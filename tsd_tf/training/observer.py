"""What watches a run, and what it is told."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tsd_tf.training.run_state import RunState


class Observer:
    """Is told what happens in a run. Every method takes the RunState and does nothing here; override those you need.

    The observers of a run are told in the order of their list: one that saves something comes after those that change
    it.
    """

    def stage_begins(self, state: "RunState") -> None:
        """A stage is ready for its first step, or for the first one after a checkpoint."""

    def step_begins(self, state: "RunState") -> None:
        """The next step is number `state.step` (0, 1, ...) of the stage, at the rate `state.learning_rate`."""

    def step_ends(self, state: "RunState") -> None:
        """A step was taken: `state.step` counts it, `state.values` is what it gave."""

    def reported(self, state: "RunState", line: dict[str, Any]) -> None:
        """An observer has reported something about the last step.

        Args:
            state: the RunState.
            line: what JSON can hold: the means of some steps, {"loss": ..., "learning_rate": ..., ...}, the result of
                a validation, {"validation": {...}}, or a warning, {"warning": text}.
        """

    def stage_ends(self, state: "RunState") -> None:
        """All steps of a stage were taken."""

    def run_ends(self, state: "RunState") -> None:
        """All stages were trained."""

    def close(self) -> None:
        """Releases files; called at the end of every run, even if it ends with an error."""
