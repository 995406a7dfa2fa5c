"""The cells of the study: a flat list, in which each names the cells that it starts from."""

import dataclasses
import pathlib

from study import data
from study import settings as sizes
from study.cell import Cell, Test
from study.run_cell import COARSE_WEIGHTS
from tsd_tf import config as configs
from tsd_tf.building import procedural_videos
from tsd_tf.network_builder import selector_class

_FRAMES_OF_PRETRAINING = 20
_FRAMES_OF_TABLE3 = 20
# CPU seconds on one core of an AMD EPYC, measured while other programs ran: for one frame of a clip the main network's
# training step, the client's, JPEG decoding and a test; and the start of a cell. Then how many times slower than I3D
# other main networks are.
_MAIN_SECONDS, _CLIENT_SECONDS, _JPEG_SECONDS, _TEST_SECONDS, _START_SECONDS = 0.0012, 0.0005, 0.00015, 0.0005, 16.0
_SLOWER = {"resnet3d_18": 2.0}


class Grid:
    """Makes the cells of one study.

    Args:
        settings: study.settings.Settings.
        choices: {method: Choice}.
        runs_dir: folder of the cells' work directories.
        data_dir: folder of the data sets.
        split: the split to test on: "test", or "validate" while a choice is still to be made.
    """

    def __init__(self, settings, choices, runs_dir, data_dir, split="test"):
        self.settings = settings
        self.choices = choices
        self.runs_dir = pathlib.Path(runs_dir)
        self.data_dir = pathlib.Path(data_dir)
        self.split = split

    def data_folder(self, seed, name="main"):
        """Where a seed's data set lies."""
        return self.data_dir / self.settings.name / f"seed{seed}_{name}"

    def data_cell(self, seed, name="main"):
        """Builds a seed's data set."""
        settings = self.settings
        videos = {"train": settings.num_train, "validate": settings.num_validate, "test": settings.num_test}
        if name == "target":
            videos = {"all": settings.num_target}
        return Cell(
            f"seed{seed}/data_{name}",
            "data",
            seed,
            data={"folder": str(self.data_folder(seed, name)), "name": name, "videos": videos, "seed": seed},
            threads=settings.early_threads,
            cost=0.025 * sum(videos.values()),
        )

    def coarse_cell(self, seed):
        """The client's pretraining on single frames."""
        config = self._config(seed, "tsd", 20, 5, stages=sizes.coarse_stages(self.settings))
        return self._trained(Cell(f"seed{seed}/coarse", "coarse", seed, config), "main")

    def pretrained_cell(self, seed, prefix="", trimmed_updates=None, data_name="main", source=None, **changes):
        """The main network that every method starts from.

        Args:
            seed, data_name, changes: as for `method_cell`.
            prefix: begins the cell's name.
            trimmed_updates: updates on clips cut to the event; None for those of the study's I3D.
            source: the cell that it is fine-tuned from, with a new last layer; None for random weights.
        """
        length, updates = _FRAMES_OF_PRETRAINING, trimmed_updates or self.settings.trimmed_updates
        stages = sizes.pretraining_stages(self.settings, updates)
        config = self._config(seed, "i3d", length, length, data_name, stages=stages, **changes)
        name = f"seed{seed}/{prefix}i3d_pretrained"
        cell = Cell(name, "pretraining", seed, config, fine_tune_from=source, threads=self.settings.early_threads)
        return self._trained(cell, data_name)

    def method_cell(
        self,
        seed,
        method,
        num_frames,
        num_distilled_frames,
        *,
        group,
        name=None,
        data_name="main",
        prefix="",
        choice=None,
        tests=None,
        labels=None,
        compression=False,
        pretrained_client=True,
        **changes,
    ):
        """A method, trained after its pretraining and tested.

        Args:
            seed, method, num_frames, num_distilled_frames: what the paper's tables name.
            group: the table or picture.
            name: the cell's name; None for one made of method, T and T_s.
            data_name: a key of study.data.VIDEO_SETTINGS.
            prefix: begins the name of the pretrained network's cell.
            choice: a Choice in place of the method's.
            tests: tests in place of the study's Q on the grid's split.
            labels: what the tables say about the cell.
            compression: whether to test distilled frames sent as JPEG, too.
            pretrained_client: whether the client starts from the weights of the cell "coarse".
            **changes: other fields of Config; `stages` take the place of the method's.
        """
        settings, choice = self.settings, choice or self.choices[method]
        selector, fields = selector_class(method), {}
        if method == "tsd":
            names = ("initializer_stddev", "logit_scale", "client_gradient_clip_norm")
            fields = {name: getattr(choice, name) for name in names}
        coarse = f"seed{seed}/coarse" if selector.is_coarse and pretrained_client else None
        if coarse:
            fields["mobilenet_weights"] = str(self.runs_dir / coarse / COARSE_WEIGHTS)
        fields["stages"] = sizes.method_stages(settings, method, choice)
        config = self._config(seed, method, num_frames, num_distilled_frames, data_name, **{**fields, **changes})
        frames = f"T{num_frames}_Ts{num_distilled_frames}"
        plain = f"i3d_Ts{num_distilled_frames}" if method == "i3d" else f"{method}_{frames}"
        cell = Cell(
            f"seed{seed}/{name or plain}",
            group,
            seed,
            config,
            main_network_from=f"seed{seed}/{prefix}i3d_pretrained",
            coarse_from=coarse,
            tests=tests or (Test(self.split, num_frames, num_distilled_frames, (settings.clips,)),),
            matrix_split=self.split if selector.is_learned else None,
            compression_split=self.split if compression else None,
            labels={"T": num_frames, "Ts": num_distilled_frames, **(labels or {})},
        )
        return self._trained(cell, data_name)

    def fine_tuned_cell(self, seed, ucf_split, source):
        """`source`, fine-tuned on one split of the second data set with a new last layer (Section 4.2)."""
        config = dataclasses.replace(
            source.config,
            data_dir=str(self.data_folder(seed, "target") / f"split{ucf_split}"),
            mobilenet_weights="none",
            last_layer_rate_factor=10.0,
            stages=(sizes.fine_tuning_stage(self.settings, self.choices[source.config.method]),),
        )
        cell = Cell(
            f"{source.name}_split{ucf_split}",
            "table4",
            seed,
            config,
            fine_tune_from=source.name,
            tests=(Test("test", config.num_frames, config.num_distilled_frames, (1, 3)),),
            labels={"T": config.num_frames, "Ts": config.num_distilled_frames, "ucf_split": ucf_split},
        )
        return self._trained(cell, "target")

    def _config(self, seed, method, num_frames, num_distilled_frames, data_name="main", **changes):
        """The Config of a method: the demo's, on the study's data, with further `changes`."""
        fields = {
            "dataset": f"study_{self.settings.name}",
            "data_dir": str(self.data_folder(seed, data_name)),
            "num_classes": len(procedural_videos.class_names(data.VIDEO_SETTINGS[data_name])),
            "num_frames": num_frames,
            "num_distilled_frames": num_distilled_frames,
            "seed": seed,
            "main_network": self.settings.main_network,
            "main_network_width": self.settings.main_network_width,
            **changes,
        }
        return dataclasses.replace(configs.sample(method), **fields)

    def _trained(self, cell, data_name):
        cost = _expected_seconds(cell, self.settings.num_test)
        return dataclasses.replace(cell, data_from=f"seed{cell.seed}/data_{data_name}", cost=cost)


def cells(settings, choices, runs_dir, data_dir):
    """All cells of the study, in the order of its tables."""
    grid = Grid(settings, choices, runs_dir, data_dir)
    found = []
    for seed in settings.seeds:
        found += [grid.data_cell(seed), grid.coarse_cell(seed), grid.pretrained_cell(seed)]
        found += table2_cells(grid, seed)
        if settings.extras and seed in settings.direction_seeds:
            found += direction_cells(grid, seed)
        if settings.extras and seed in settings.ablation_seeds:
            found += ablation_cells(grid, seed)
        if settings.extras and seed in settings.second_network_seeds:
            found += other_network_cells(grid, seed)
    if settings.extras:
        found += table4_cells(grid, settings.seeds[0], found)
    return found


def table2_cells(grid, seed):
    """Rows of Table 2; those of Table 3 and Figure 3 are among them."""
    found, extras = [], grid.settings.extras
    for distilled, lengths in grid.settings.lengths:
        for length in lengths:
            methods = ("i3d", "i3d_a") if length == distilled else ("i3d_a", "i3d_r", "i3d_e", "tsd")
            for method in methods:
                longest = length == lengths[-1]
                # Table 3 compares I3D at T_s with TSD. If T is the whole video, all its clips are the same.
                in_table3 = method == "i3d" or (method == "tsd" and length == _FRAMES_OF_TABLE3)
                counts = (1, 3, 10) if extras and in_table3 else (1, 3)
                sent = distilled == 5 and (method == "i3d" or longest and method in ("i3d_e", "tsd"))
                found.append(
                    grid.method_cell(
                        seed,
                        method,
                        length,
                        distilled,
                        group="table2",
                        tests=(Test(grid.split, length, distilled, counts),),
                        compression=extras and sent,
                    )
                )
    return found


def ablation_cells(grid, seed):
    """What the paper leaves open about the block and its training, at T = 20 and T_s = 5."""
    settings, choice = grid.settings, grid.choices["tsd"]
    client, end_to_end = sizes.method_stages(settings, "tsd", choice)
    embedding = grid._config(seed, "tsd", 20, 5).embedding_channels
    paper_s_client = dataclasses.replace(client, learning_rate=0.1, optimizer="sgd")
    paper = {"initializer_stddev": 0.01, "logit_scale": 1.0, "client_gradient_clip_norm": None}
    paper["stages"] = (paper_s_client, end_to_end)
    variants = (
        ("C' = 16", {"embedding_channels": 16, "logit_scale": choice.logit_scale * (embedding / 16) ** 0.5}),
        ("C' = 256", {"embedding_channels": 256, "logit_scale": choice.logit_scale * (embedding / 256) ** 0.5}),
        ("output kernel 1", {"output_kernel": 1}),
        ("no scale of the logits", {"logit_scale": 1.0}),
        ("deviation, rate and scale of the paper", paper),
        ("stage 1 alone", {"stages": (client,)}),
        ("stage 2 alone", {"stages": (end_to_end,)}),
        ("client not pretrained", {"pretrained_client": False}),
    )
    return [
        grid.method_cell(
            seed, "tsd", 20, 5, group="ablation", name=f"ablation_{number}", labels={"variant": variant}, **changes
        )
        for number, (variant, changes) in enumerate(variants)
    ]


def other_network_cells(grid, seed):
    """TSD in front of a second main network, with about as many parameters as the study's I3D."""
    network = {"main_network": "resnet3d_18", "main_network_width": 0.125}
    pretrained = grid.pretrained_cell(seed, "resnet_", grid.settings.second_trimmed_updates, **network)
    return [pretrained] + [
        grid.method_cell(
            seed, method, length, 5, group="resnet3d_18", name=f"resnet_{method}", prefix="resnet_", **network
        )
        for method, length in (("i3d", 5), ("i3d_e", 20), ("tsd", 20))
    ]


def direction_cells(grid, seed):
    """The arrow of time: the classes differ only in the signed direction."""
    rows = (
        ("direction_i3d_T5", "i3d", 5, "", {}),
        ("direction_i3d_e_T20", "i3d_e", 20, "", {}),
        ("direction_tsd_T20", "tsd", 20, "", {}),
        ("direction_tsd_T20_ordered", "tsd", 20, "in time order", {"in_time_order": True}),
    )
    shared = {"group": "direction", "data_name": "direction", "prefix": "direction_"}
    # Pretrained from the other I3D: that already sees motion, and so gets over a plateau.
    source, updates = f"seed{seed}/i3d_pretrained", grid.settings.direction_updates
    return [
        grid.data_cell(seed, "direction"),
        grid.pretrained_cell(seed, "direction_", updates, "direction", source),
    ] + [
        grid.method_cell(seed, method, length, 5, name=name, labels={"variant": variant}, **shared, **changes)
        for name, method, length, variant, changes in rows
    ]


def table4_cells(grid, seed, trained):
    """Rows of Table 4: I3D, and TSD from the longest clips, at the least T_s of Table 2, fine-tuned."""
    distilled, lengths = grid.settings.lengths[0]
    rows = ("i3d", distilled, distilled), ("tsd", lengths[-1], distilled)
    sources = [
        cell
        for cell in trained
        if cell.group == "table2"
        and cell.seed == seed
        and (cell.config.method, cell.config.num_frames, cell.config.num_distilled_frames) in rows
    ]
    return [grid.data_cell(seed, "target")] + [
        grid.fine_tuned_cell(seed, split, source) for source in sources for split in data.UCF_SPLITS
    ]


def _expected_seconds(cell, num_videos):
    """CPU seconds of a cell, from the time that one frame of a clip takes."""
    config = cell.config
    looks = selector_class(config.method).looks_at_frames
    main_seconds = _MAIN_SECONDS * _SLOWER.get(config.main_network, 1.0)
    seconds = _START_SECONDS
    for stage in config.stages:
        length = stage.num_frames or config.num_frames
        frames = {"coarse_extractor": 0, "client": config.num_distilled_frames}.get(
            stage.trains, length if config.method == "i3d_a" or stage.num_frames else config.num_distilled_frames
        )
        seen = length if looks and (stage.trains != "network" or not stage.num_frames) else 0
        a_clip = frames * main_seconds + seen * _CLIENT_SECONDS + length * _JPEG_SECONDS
        seconds += stage.num_steps * stage.batch_size * a_clip
    for test in cell.tests:
        frames = test.num_distilled_frames + (test.num_frames if looks else 0)
        seconds += max(test.clips) * num_videos * frames * _TEST_SECONDS
    if cell.compression_split:
        seconds += 10 * num_videos * config.num_distilled_frames * _TEST_SECONDS
    return seconds
