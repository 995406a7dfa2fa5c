"""The study's data sets: rendered videos as shards, each a pure function of its name, size and seed."""

import dataclasses
import json
import os
import pathlib
import shutil

from tsd_tf.building import annotations, conversion, sample_videos, sharding
from tsd_tf.building.action_videos import ActionVideos
from tsd_tf.building.scene import Scene
from tsd_tf.building.sprite_videos import SpriteVideos
from tsd_tf.contract import files

_SPRITES = SpriteVideos(pixel_noise=14.0, event_radius=(4.0, 6.0))
SCENES: dict[str, Scene] = {
    "main": ActionVideos(),
    "map": ActionVideos(event_frames=(3, 24)),
    "target": ActionVideos(domain="other_people"),
    "axis": _SPRITES,
    "direction": dataclasses.replace(_SPRITES, task="direction"),
}
SIZE, NUM_FRAMES = 64, 40  # of every video

UCF_SPLITS = (1, 2, 3)
_EXACT = "test_"  # begins the name of a split whose events all have the length that follows
_STORED = conversion.Settings(frame_rate=25.0, short_side=SIZE, jpeg_quality=90, min_frames=1)
_NUM_SHARDS = 4
# UCF101 numbers its videos by group, v_Class_g01_c01, and its three lists test disjoint groups.
_GROUPS = 3


@dataclasses.dataclass(frozen=True)
class DataSet:
    """A data set of one seed.

    Attributes:
        name: a key of SCENES; "target" has UCF101's layout, in the folders split1, split2 and split3.
        seed: the videos of two seeds have nothing in common.
        num_videos: {split: count}: "train", "validate", "test" and those of `exact_split`; {"all": count} for "target".
        scene: what its videos show.
    """

    name: str
    seed: int
    num_videos: dict[str, int]
    scene: Scene

    @property
    def folder(self) -> str:
        """Where it lies below the folder of all data sets."""
        return f"seed{self.seed}_{self.name}"

    def build(self, data_dir: str | os.PathLike, processes: int = 1) -> None:
        """Writes it unless it exists: shards, labels.txt and `<split>_events.csv`.

        Args:
            data_dir: folder of all data sets.
            processes: worker processes.
        """
        folder = pathlib.Path(data_dir, self.folder)
        recipe = json.dumps(dataclasses.asdict(self))
        if (folder / "complete").exists() and (folder / "complete").read_text() == recipe:
            return
        videos = folder.with_name(f".{folder.name}.videos")
        for path in (folder, videos):
            shutil.rmtree(path, ignore_errors=True)
        videos.mkdir(parents=True)
        if self.name == "target":
            self._build_target(folder, videos, processes)
        else:
            self._build_splits(folder, videos, processes)
        shutil.rmtree(videos)
        files.write(folder / "complete", recipe)

    def _build_splits(self, folder, videos, processes):
        common = {split: count for split, count in self.num_videos.items() if not split.startswith(_EXACT)}
        sources = [(split, split, videos) for split in (*common, "trimmed")]
        self._render(videos, common, self.scene, processes)
        for split in [split for split in self.num_videos if split not in common]:
            length = int(split.removeprefix(_EXACT))
            scene = dataclasses.replace(self.scene, event_frames=(length, length))
            self._render(videos / split, {"test": self.num_videos[split]}, scene, processes)
            sources.append((split, "test", videos / split))
        for split, source, place in sources:
            rows = annotations.read_kinetics(place / f"{source}.csv", self.scene.class_names)
            self._store(rows, place / source, folder, split, self.scene.class_names, processes)
            shutil.copy(place / f"{source}_events.csv", folder / f"{split}_events.csv")

    def _build_target(self, folder, videos, processes):
        """UCF101's layout: one folder of classes, and three lists that each test another third of the groups."""
        self._render(videos, {"test": self.num_videos["all"]}, self.scene, processes)
        names = [name.title().replace(" ", "") for name in self.scene.class_names]
        lists = {(split, part): [] for split in UCF_SPLITS for part in ("train", "test")}
        for index, row in enumerate(annotations.read_kinetics(videos / "test.csv", self.scene.class_names)):
            place, name = index // len(names), names[row.label]
            group = place % _GROUPS + 1
            path = f"{name}/v_{name}_g{group:02d}_c{place // _GROUPS + 1:02d}.mp4"
            (videos / name).mkdir(exist_ok=True)
            (videos / "test" / row.label_text / f"{row.media_id}.mp4").rename(videos / path)
            for split in UCF_SPLITS:
                lists[split, "test" if group == split else "train"].append((path, row.label))
        (videos / "classInd.txt").write_text("".join(f"{i} {name}\n" for i, name in enumerate(names, 1)))
        for (split, part), videos_of_list in lists.items():
            lines = (f"{path} {label + 1}\n" if part == "train" else f"{path}\n" for path, label in videos_of_list)
            list_path = videos / f"{part}list0{split}.txt"
            list_path.write_text("".join(lines))
            rows, _ = annotations.read_ucf101(videos / "classInd.txt", list_path)
            self._store(rows, videos, folder / f"split{split}", part, names, processes)

    def _render(self, folder, num_videos, scene, processes):
        folder.mkdir(exist_ok=True)
        sample_videos.write(folder, num_videos, scene=scene, seed=self.seed, processes=processes)

    def _store(self, rows, videos, folder, split, names, processes):
        options = {"num_shards": _NUM_SHARDS, "processes": processes}
        sharding.build(rows, str(videos), str(folder), split, names, _STORED, **options)


def exact_split(event_frames: int) -> str:
    """The name of the split whose events all have this length."""
    return f"{_EXACT}{event_frames}"
