"""The cells of the study: the rows of its tables and the points of its pictures, each with what it starts from."""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

from study import data
from study.cell import Cell, Test
from study.data import NUM_FRAMES, SCENES, SIZE, DataSet
from study.settings import Choice, Settings
from tsd_tf.config import Config
from tsd_tf.contract.errors import UserError
from tsd_tf.network_builder import selector_class

_COUNTS = (1, 3, 10)  # Q
# Networks that two cores can train: what is small, and batch norm that settles in hundreds of steps.
_SMALL = {
    "short_side": SIZE,
    "crop_size": SIZE,
    "main_network_batch_norm_momentum": 0.9,
    "dropout_rate": 0.2,
    "coarse_width": 0.25,
    "coarse_features_layer": "conv_pw_5_relu",
    "coarse_batch_norm_momentum": 0.9,
    "embedding_channels": 64,
    "mobilenet_weights": "none",
}
_ATTENTION = "i3d_a"
# CPU seconds on one core of an Intel Xeon with AMX: for one frame of a clip the main network's
# training step, the client's, JPEG decoding and a test; for one video its rendering, and its clip sent in one way; and
# the start of a cell. Then how many times slower than I3D other main networks are.
_MAIN_SECONDS, _CLIENT_SECONDS, _JPEG_SECONDS, _TEST_SECONDS = 0.0011, 0.00055, 0.00015, 0.0005
_CLIENT_SIZE = 48  # pixels of the frames that take the client so long
_VIDEO_SECONDS = {"axis": 0.03, "direction": 0.03, "main": 0.15, "map": 0.15, "target": 0.15}
_CODING_SECONDS, _START_SECONDS = 0.015, 16.0
_SLOWER = {"resnet3d_18": 2.0}


class Grid:
    """Makes the cells of one study.

    Args:
        settings: its Settings.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def data(self, seed: int, name: str = "main") -> Cell:
        """Builds a seed's data set, one of SCENES."""
        settings = self.settings
        videos = {"train": settings.num_train, "validate": settings.num_validate, "test": settings.num_test}
        if name == "axis":
            videos = {"train": settings.num_train}
        elif name == "map":
            videos = {"train": settings.num_train}
            videos |= {data.exact_split(length): settings.num_map_test for length in settings.map_events}
        elif name == "target":
            videos = {"all": settings.num_target}
        return Cell(
            f"seed{seed}/data_{name}",
            "data",
            seed,
            data=DataSet(name, seed, {split: count for split, count in videos.items() if count}, SCENES[name]),
            threads=settings.early_threads,
            cost=_VIDEO_SECONDS[name] * sum(videos.values()),
        )

    def coarse(self, seed: int, data_name: str = "main", name: str = "", **changes: Any) -> Cell:
        """The client's pretraining on single frames; `changes` as for `method`."""
        stages = (self.settings.recipe(data_name).coarse,)
        config = self._config(seed, "tsd", 20, 5, data_name, stages=stages, **changes)
        cell = Cell(f"seed{seed}/{name or _prefix(data_name)}coarse", "coarse", seed, config=config)
        return self._trained(cell, data_name)

    def pretrained(
        self, seed: int, data_name: str = "main", prefix: str = "", source: Cell | None = None, **changes: Any
    ) -> Cell:
        """The main network that every method starts from.

        Args:
            seed, data_name, changes: as for `method`.
            prefix: begins the cell's name; empty for that of the data set.
            source: the cell that it is fine-tuned from, with a new last layer; None for random weights.
        """
        recipe = self.settings.recipe(data_name)
        length, count = recipe.pretraining_frames
        method = "i3d" if length == count else "i3d_r"
        config = self._config(seed, method, length, count, data_name, stages=recipe.pretraining, **changes)
        name = f"seed{seed}/{prefix or _prefix(data_name)}i3d_pretrained"
        threads = self.settings.early_threads
        cell = Cell(name, "pretraining", seed, config=config, fine_tune_from=source, threads=threads)
        return self._trained(cell, data_name)

    def method(
        self,
        seed: int,
        method: str,
        num_frames: int,
        num_distilled_frames: int,
        *,
        group: str,
        name: str | None = None,
        data_name: str = "main",
        start: Cell | None = None,
        coarse: Cell | None = None,
        choice: Choice | None = None,
        tests: Iterable[Test] | None = None,
        labels: dict[str, Any] | None = None,
        pretrained_client: bool = True,
        **changes: Any,
    ) -> Cell:
        """A method, trained after its pretraining and tested.

        Args:
            seed, method, num_frames, num_distilled_frames: what the paper's tables name.
            group: the table or picture.
            name: the cell's name; None for one made of method, T and T_s.
            data_name: a key of SCENES.
            start: the pretrained main network; None for that of the data set.
            coarse: the pretrained coarse extractor; None for that of the data set.
            choice: a Choice in place of the method's.
            tests: the Tests; None for one at its own T and T_s.
            labels: what the tables say about the cell.
            pretrained_client: whether the client is pretrained at all.
            changes: other fields of Config; `stages` take the place of the method's.
        """
        recipe, selector = self.settings.recipe(data_name), selector_class(method)
        choice = choice or recipe.choices[method]
        fields: dict[str, Any] = {"stages": recipe.stages(method, choice)}
        if method == "tsd":
            names = ("initializer_stddev", "logit_scale", "client_gradient_clip_norm")
            fields |= {name: getattr(choice, name) for name in names}
        frames = f"T{num_frames}_Ts{num_distilled_frames}"
        if method in ("i3d", _ATTENTION):
            frames = f"T{num_frames}"
        cell = Cell(
            f"seed{seed}/{name or f'{method}_{frames}'}",
            group,
            seed,
            config=self._config(seed, method, num_frames, num_distilled_frames, data_name, **{**fields, **changes}),
            main_network_from=start or self.pretrained(seed, data_name),
            coarse_from=(coarse or self.coarse(seed, data_name)) if selector.is_coarse and pretrained_client else None,
            tests=tuple(tests or (self.test(method, num_frames, num_distilled_frames),)),
            labels=labels or {},
        )
        return self._trained(cell, data_name)

    def test(self, method: str, num_frames: int, num_distilled_frames: int, all_counts: bool = False) -> Test:
        """A test with one clip and with the study's Q, or with all Q unless a clip is the whole video, as any other."""
        most = max(_COUNTS) if all_counts and num_frames < NUM_FRAMES else self.settings.clips
        counts = tuple(count for count in _COUNTS if count <= most)
        is_learned = selector_class(method).is_learned
        return Test("test", num_frames, num_distilled_frames, counts, matrix=is_learned)

    def fine_tuned(self, seed: int, ucf_split: int, source: Cell) -> Cell:
        """`source`, fine-tuned on one split of the second data set with a new last layer (Section 4.2)."""
        method = source.config.method
        recipe = self.settings.recipe("target")
        config = dataclasses.replace(
            source.config,
            data_dir=f"{self.data(seed, 'target').data.folder}/split{ucf_split}",
            num_classes=len(SCENES["target"].class_names),
            last_layer_rate_factor=10.0,
            stages=(recipe.network_stage(self.settings.fine_tune_updates, recipe.choices[method]),),
        )
        cell = Cell(
            f"{source.name}_split{ucf_split}",
            "table4",
            seed,
            config=config,
            fine_tune_from=source,
            tests=(dataclasses.replace(source.tests[0], matrix=False),),
            labels={"ucf_split": ucf_split},
        )
        return self._trained(cell, "target")

    def _config(self, seed, method, num_frames, num_distilled_frames, data_name, **changes):
        """The Config of a method on the study's data, with `changes`."""
        settings, recipe = self.settings, self.settings.recipe(data_name)
        fields = {
            **_SMALL,
            "dataset": f"study_{settings.name}",
            "data_dir": self.data(seed, data_name).data.folder,
            "num_classes": len(SCENES[data_name].class_names),
            "num_frames": num_frames,
            "num_distilled_frames": num_distilled_frames,
            "random_flip": recipe.random_flip,
            "coarse_size": recipe.coarse_size,
            "seed": seed,
            "main_network": settings.main_network,
            "main_network_width": settings.main_network_width,
            **changes,
        }
        return Config(method=method, **fields)

    def _trained(self, cell, data_name):
        cost = _expected_seconds(cell, self.settings)
        return dataclasses.replace(cell, data_from=self.data(cell.seed, data_name), cost=cost)


def cells(settings: Settings) -> list[Cell]:
    """The cells that tables and pictures show, in their order; study.cell.with_starts adds the others."""
    grid = Grid(settings)
    found = []
    for seed in settings.all_seeds:
        found += table2(grid, seed) if seed in settings.seeds else target(grid, seed)
        parts = (
            (settings.bytes_seeds, over_bytes),
            (settings.map_seeds, win_map),
            (settings.fine_tuning_seeds, table4),
            (settings.ablation_seeds, ablations),
            (settings.second_network_seeds, second_network),
            (settings.direction_seeds, direction),
        )
        for seeds, make in parts:
            found += make(grid, seed) if seed in seeds else []
    return found


def of_groups(cells: Iterable[Cell], groups: Sequence[str] | None) -> list[Cell]:
    """The cells of the tables and pictures that a user names; all where there is no list.

    Raises:
        UserError: it is empty, or names one that no cell belongs to.
    """
    cells = list(cells)
    known = list(dict.fromkeys(cell.group for cell in cells))
    if groups is None:
        return cells
    if not groups or not set(groups) <= set(known):
        raise UserError(f"`groups` expects some of {', '.join(known)}. Received: groups={','.join(groups)}")
    return [cell for cell in cells if cell.group in groups]


def table2(grid: Grid, seed: int) -> list[Cell]:
    """Table 2; the rows of Table 3 and the points of Figures 2 and 3 are among them."""
    rows = [(length, distilled) for distilled, lengths in grid.settings.lengths for length in lengths]
    found = [_row(grid, seed, "i3d", length, length) for length, distilled in rows if length == distilled]
    for length in sorted({length for length, _ in rows}):
        found.append(_attention(grid, seed, length, [distilled for one, distilled in rows if one == length]))
    return found + [
        _row(grid, seed, method, length, distilled)
        for length, distilled in rows
        if length > distilled
        for method in ("i3d_r", "i3d_e", "tsd")
    ]


def target(grid: Grid, seed: int) -> list[Cell]:
    """Of Table 2, I3D at all T_s, and the longest clips of the least T_s."""
    rows = grid.settings.lengths
    distilled, length = rows[0][0], rows[0][1][-1]
    found = [_row(grid, seed, "i3d", count, count) for count, _ in rows]
    found.append(_attention(grid, seed, length, [distilled]))
    return found + [_row(grid, seed, method, length, distilled) for method in ("i3d_r", "i3d_e", "tsd")]


def _row(grid, seed, method, length, distilled):
    tests = [grid.test(method, length, distilled, all_counts=True)]
    return grid.method(seed, method, length, distilled, group="table2", tests=tests)


def _attention(grid, seed, length, counts):
    """I3D_A, whose training does not depend on T_s: one for all of them."""
    tests = [grid.test(_ATTENTION, length, count, True) for count in counts]
    return grid.method(seed, _ATTENTION, length, counts[0], group="table2", tests=tests)


def over_bytes(grid: Grid, seed: int) -> list[Cell]:
    """Accuracy over bytes, of the longest clips of the least T_s."""
    *_, uniform, exported = target(grid, seed)
    length, distilled = exported.config.num_frames, exported.config.num_distilled_frames
    settings = grid.settings
    return [
        Cell(
            f"seed{seed}/bytes_T{length}_Ts{distilled}",
            "bytes",
            seed,
            exported=exported,
            uniform=uniform,
            codings=settings.codings,
            labels={"T": length, "Ts": distilled},
            cost=_START_SECONDS + _CODING_SECONDS * len(settings.codings) * settings.num_test,
        )
    ]


def win_map(grid: Grid, seed: int) -> list[Cell]:
    """Which method is best, by the length of the event and by T_s; trained on events of all lengths."""
    length, counts = grid.settings.map_frames, grid.settings.map_distilled

    def cell(method, trained, tested):
        tests = [
            dataclasses.replace(grid.test(method, length, count, True), split=data.exact_split(event), matrix=False)
            for count in tested
            for event in grid.settings.map_events
        ]
        name = f"map_{method}" + (f"_Ts{trained}" if method != _ATTENTION else "")
        return grid.method(seed, method, length, trained, group="map", name=name, data_name="map", tests=tests)

    return [cell(_ATTENTION, counts[0], counts)] + [
        cell(method, count, [count]) for count in counts for method in ("i3d_r", "i3d_e", "tsd")
    ]


def table4(grid: Grid, seed: int) -> list[Cell]:
    """Table 4: I3D, and TSD from the longest clips, at the least T_s of Table 2, fine-tuned on the second data set."""
    cells_of_target = target(grid, seed)
    sources = cells_of_target[0], cells_of_target[-1]
    return [grid.fine_tuned(seed, split, source) for source in sources for split in data.UCF_SPLITS]


def ablations(grid: Grid, seed: int) -> list[Cell]:
    """What the paper leaves open about the block and its training, and what makes the client smaller or larger."""
    recipe = grid.settings.recipe("main")
    choice = recipe.choices["tsd"]
    plain = grid.method(seed, "tsd", 20, 5, group="ablation").config
    wide = {"coarse_width": 2 * plain.coarse_width}
    paper = {
        "embedding_channels": 512,
        "initializer_stddev": 0.01,
        "logit_scale": 1.0,
        "client_gradient_clip_norm": None,
        "stages": recipe.stages("tsd", Choice(0.01, "sgd", client_learning_rate=0.1, client_optimizer="sgd")),
    }
    other_scale = ("scale_auto", "automatic scale of the logits", {"logit_scale": "auto"})
    if choice.logit_scale == "auto":
        other_scale = ("scale_fixed", "scale of the logits 1 / sqrt(H W C')", {"logit_scale": 1 / 64})
    variants = (
        ("channels_16", "C' = 16", _channels(plain, 16)),
        ("channels_256", "C' = 256", _channels(plain, 256)),
        ("kernel_1", "output kernel 1", {"output_kernel": 1}),
        ("stride_2", "client sees every second frame", {"coarse_stride": 2}),
        ("unscaled", "no scale of the logits", {"logit_scale": 1.0}),
        other_scale,
        ("paper", "the paper's C', deviation, scale, optimiser and rates", paper),
        ("paper_auto", "the same with the automatic scale", {**paper, "logit_scale": "auto"}),
        ("stage_1", "all updates in stage 1", {"stages": (recipe.client_stage(recipe.updates, choice),)}),
        ("stage_2", "all updates in stage 2", {"stages": (recipe.network_stage(recipe.updates, choice),)}),
        ("unpretrained", "client not pretrained", {"pretrained_client": False}),
        ("wide", "client of twice the width", {"coarse": grid.coarse(seed, name="wide_", **wide), **wide}),
    )
    return [
        grid.method(
            seed, "tsd", 20, 5, group="ablation", name=f"ablation_{key}", labels={"variant": variant}, **changes
        )
        for key, variant, changes in variants
    ]


def _channels(config, channels):
    """Another C', at the same spread of the logits: a fixed scale falls with the root of the terms in their sum."""
    if config.logit_scale == "auto":
        return {"embedding_channels": channels}
    scale = config.logit_scale * (config.embedding_channels / channels) ** 0.5
    return {"embedding_channels": channels, "logit_scale": scale}


def second_network(grid: Grid, seed: int) -> list[Cell]:
    """TSD in front of a second main network, with about as many parameters as the study's I3D."""
    network = {"main_network": "resnet3d_18", "main_network_width": 0.125}
    start = grid.pretrained(seed, prefix="resnet_", **network)
    return [
        grid.method(seed, method, length, 5, group="resnet3d_18", name=f"resnet_{method}", start=start, **network)
        for method, length in (("i3d", 5), ("i3d_e", 20), ("tsd", 20))
    ]


def direction(grid: Grid, seed: int) -> list[Cell]:
    """The arrow of time: sprites whose classes differ only in the signed direction.

    The client is pretrained on stills that tell colours, and the main network on axes before directions: it then sees
    motion already, and so gets over a plateau.
    """
    start = grid.pretrained(seed, "direction", source=grid.pretrained(seed, "axis"))
    shared = {"group": "direction", "data_name": "direction", "start": start, "coarse": grid.coarse(seed, "axis")}
    rows = (
        ("direction_i3d", "i3d", 5, "", {}),
        ("direction_i3d_e", "i3d_e", 20, "", {}),
        ("direction_tsd", "tsd", 20, "", {}),
        ("direction_tsd_ordered", "tsd", 20, "in time order", {"in_time_order": True}),
    )
    return [
        grid.method(seed, method, length, 5, name=name, labels={"variant": variant}, **shared, **changes)
        for name, method, length, variant, changes in rows
    ]


def _prefix(data_name):
    return "" if data_name == "main" else f"{data_name}_"


def _expected_seconds(cell, settings):
    """CPU seconds of a cell, from the time that one frame of a clip takes."""
    config = cell.config
    looks = selector_class(config.method).looks_at_frames
    main_seconds = _MAIN_SECONDS * _SLOWER.get(config.main_network, 1.0)
    seconds = _START_SECONDS
    for stage in config.stages:
        length = stage.num_frames or config.num_frames
        frames = {"coarse_extractor": 0, "client": config.num_distilled_frames}.get(
            stage.trains, length if config.method == _ATTENTION or stage.num_frames else config.num_distilled_frames
        )
        seen = length if looks and (stage.trains != "network" or not stage.num_frames) else 0
        client_seconds = _CLIENT_SECONDS * (config.coarse_size / _CLIENT_SIZE) ** 2 / config.coarse_stride
        a_clip = frames * main_seconds + seen * client_seconds + length * _JPEG_SECONDS
        seconds += stage.num_steps * stage.batch_size * a_clip
    for test in cell.tests:
        videos = settings.num_map_test if cell.group == "map" else settings.num_test
        frames = test.num_distilled_frames + (test.num_frames if looks else 0)
        seconds += max(test.clips) * videos * frames * _TEST_SECONDS
    return seconds
