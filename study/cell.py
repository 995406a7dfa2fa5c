"""One cell of the study: a named training with its tests, in a work directory of its own."""

import dataclasses
import hashlib
import json
from typing import Any, Optional

from study.data import DataSet
from tsd_tf.config import Config
from tsd_tf.evaluation.coding import Coding


@dataclasses.dataclass(frozen=True)
class Test:
    """One evaluation of a trained cell.

    Attributes:
        split: the shards.
        num_frames, num_distilled_frames: T and T_s of the clips; see study.testing for which may differ from training.
        clips: the numbers Q of clips a video; one pass serves all of them.
        matrix: whether P is compared with the true events, too.
    """

    split: str
    num_frames: int
    num_distilled_frames: int
    clips: tuple[int, ...] = (3,)
    matrix: bool = False


@dataclasses.dataclass(frozen=True)
class Cell:
    """A data set to build, a training with its tests, or a test over bytes; one cell always gives the same result.

    Attributes:
        name: the name of the cell and its folder, such as "seed0/tsd_T20_Ts5".
        group: the table or picture that it belongs to.
        seed: the seed that it belongs to.
        data: a DataSet to build, or None.
        config: a tsd_tf Config with its stages, or None. Its `data_dir` is a folder in that of all data sets, and its
            `mobilenet_weights` are those of `coarse_from` where that is given.
        data_from: the cell that builds its data set, or None.
        main_network_from: the cell whose main network it starts from, or None.
        coarse_from: the cell whose coarse extractor it starts from, or None.
        fine_tune_from: the cell that is fine-tuned, or None.
        exported, uniform: the cells whose network is exported and tested with `codings`, and whose network answers to
            uniform frames; or None.
        tests: the evaluations after the training.
        codings: how the clips travel.
        labels: {name: value}, what else the tables say about the cell.
        threads: the number of cores that it uses.
        cost: expected CPU seconds.
    """

    name: str
    group: str
    seed: int
    data: DataSet | None = None
    config: Config | None = None
    data_from: Optional["Cell"] = None
    main_network_from: Optional["Cell"] = None
    coarse_from: Optional["Cell"] = None
    fine_tune_from: Optional["Cell"] = None
    exported: Optional["Cell"] = None
    uniform: Optional["Cell"] = None
    tests: tuple[Test, ...] = ()
    codings: tuple[Coding, ...] = ()
    labels: dict[str, Any] = dataclasses.field(default_factory=dict)
    threads: int = 1
    cost: float = 1.0

    @property
    def needs(self) -> dict[str, "Cell"]:
        """{what for: the cell} of the cells that must be finished first."""
        names = ("data_from", "main_network_from", "coarse_from", "fine_tune_from", "exported", "uniform")
        return {name: getattr(self, name) for name in names if getattr(self, name)}

    @property
    def updates(self) -> int:
        """Optimiser steps of the method: of its client, of the whole network, or of both."""
        stages = self.config.stages if self.config else ()
        return sum(stage.num_steps for stage in stages if stage.trains != "coarse_extractor")

    @property
    def recipe(self) -> dict[str, Any]:
        """What its result depends on, besides the cells that it needs, as JSON holds it; defaults are left out."""
        parts = {"data": self.data, "config": self.config, "tests": self.tests, "codings": self.codings}
        return {name: _without_defaults(part) for name, part in parts.items() if part}

    @property
    def fingerprint(self) -> str:
        """A hash of its recipe and of all recipes before it."""
        whole = [self.recipe, {name: cell.fingerprint for name, cell in self.needs.items()}]
        return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()[:12]


def with_starts(cells: list[Cell]) -> list[Cell]:
    """These cells and all that they start from, each once, behind what it needs."""
    found: dict[str, Cell] = {}
    for cell in cells:
        for one in (*with_starts(list(cell.needs.values())), cell):
            found.setdefault(one.name, one)
    return list(found.values())


def _without_defaults(value):
    """A dataclass as a dict of the fields that are not at their default: a new option alters no recipe before it."""
    if isinstance(value, (list, tuple)):
        return [_without_defaults(one) for one in value]
    if not dataclasses.is_dataclass(value):
        return value
    fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    defaults = {field.name: field.default for field in dataclasses.fields(value)}
    return {name: _without_defaults(one) for name, one in fields.items() if one != defaults[name]}
