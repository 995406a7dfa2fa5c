"""One cell of the study: a named training with its tests, in a work directory of its own."""

import dataclasses

from tsd_tf.config import Config


@dataclasses.dataclass(frozen=True)
class Test:
    """One evaluation of a trained cell.

    Attributes:
        split: the shards.
        num_frames, num_distilled_frames: T and T_s of the clips.
        clips: the numbers Q of clips a video; one pass serves all of them.
    """

    split: str
    num_frames: int
    num_distilled_frames: int
    clips: tuple = (3,)


@dataclasses.dataclass(frozen=True)
class Cell:
    """A training with its tests, or a data set to build; the same cell always gives the same result.

    Attributes:
        name: the name of the cell and its folder, such as "seed0/tsd_T20_Ts5".
        group: the table or picture that it belongs to.
        seed: the seed that it belongs to.
        config: a tsd_tf Config with its stages, or None for a cell that builds a data set.
        data: {"name", "folder", "videos", "seed"} of the data set that it builds, or None.
        data_from: the cell that builds its data set, or None.
        main_network_from: the cell whose main network it starts from, or None.
        coarse_from: the cell whose coarse extractor it starts from, or None.
        fine_tune_from: the cell that is fine-tuned, or None.
        tests: the evaluations after the training.
        matrix_split: the split on whose events P is compared with the truth, or None.
        compression_split: the split whose distilled frames are sent as JPEG, or None.
        labels: {name: value}, what else the tables say about the cell.
        threads: the number of cores that it uses.
        cost: expected CPU seconds.
    """

    name: str
    group: str
    seed: int
    config: Config | None = None
    data: dict | None = None
    data_from: str | None = None
    main_network_from: str | None = None
    coarse_from: str | None = None
    fine_tune_from: str | None = None
    tests: tuple = ()
    matrix_split: str | None = None
    compression_split: str | None = None
    labels: dict = dataclasses.field(default_factory=dict)
    threads: int = 1
    cost: float = 1.0

    @property
    def needs(self):
        """Names of the cells that must be finished first."""
        sources = (self.data_from, self.main_network_from, self.coarse_from, self.fine_tune_from)
        return tuple(name for name in sources if name)

    @property
    def main_network_updates(self):
        """Optimiser steps that move the main network."""
        return sum(stage.num_steps for stage in self.config.stages if stage.trains == "network") if self.config else 0
