"""What the study runs: sizes, schedules and the settings of every method.

Choices are made on the validation splits of tuning seeds (python -m study.tune); nothing here comes from test videos.
"""

import dataclasses
import json
import pathlib
from collections.abc import Sequence

from tsd_tf import config as configs
from tsd_tf.config import Stage
from tsd_tf.contract.errors import UserError
from tsd_tf.evaluation.coding import DISTILLED, UNIFORM, WHOLE_CLIP, Coding

METHODS = configs.METHODS
TUNED = pathlib.Path(__file__).with_name("tuned.json")


@dataclasses.dataclass(frozen=True)
class Choice:
    """What was chosen for a method on the validation splits of the tuning seeds.

    Attributes:
        learning_rate, optimizer: of the updates of the whole network.
        train_frames: clip length in I3D's updates; None for the T of its test.
        client_learning_rate, client_optimizer: of stage 1.
        client_gradient_clip_norm: bound on the norm of the client's gradient in both stages; None for no bound.
        initializer_stddev, logit_scale: of the TSD block; the scale may be "auto".
    """

    learning_rate: float = 0.001
    optimizer: str = "adam"
    train_frames: int | None = None
    client_learning_rate: float = 0.0005
    client_optimizer: str = "adam"
    client_gradient_clip_norm: float | None = None
    initializer_stddev: float = 0.1
    logit_scale: float | str = "auto"


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How the networks of one task are trained. Within a seed, all methods start from the same two networks.

    Attributes:
        choices: {method: Choice}.
        coarse: the Stage of the client's pretraining, on stills of the action. It stands for ImageNet.
        pretraining: the Stages of the main network's pretraining: clips cut to the action, then random clips.
        pretraining_frames: T and T_s of stages that have no length of their own: T_s random frames of T, in time order;
            all frames if the two are equal.
        updates: all updates of a method after that. Stage 1 of I3D+TSD is among them.
        client_updates: updates of stage 1, with the main network frozen.
        batch_size: clips in one of these updates.
        coarse_size: pixels of the frames that the client sees.
        random_flip: left-right flips in training.
    """

    choices: dict[str, Choice]
    coarse: Stage
    pretraining: tuple[Stage, ...]
    updates: int
    client_updates: int
    pretraining_frames: tuple[int, int] = (20, 20)
    batch_size: int = 16
    coarse_size: int = 64
    random_flip: bool = True

    def stages(self, method: str, choice: Choice) -> tuple[Stage, ...]:
        """The Stages of a method after its pretraining, with `updates` updates in all.

        I3D+TSD begins with its client alone, the main network frozen (Section 4.2).
        """
        alone = self.client_updates if method == "tsd" else 0
        stages = (self.client_stage(alone, choice),) if alone else ()
        return (*stages, self.network_stage(self.updates - alone, choice, choice.train_frames))

    def client_stage(self, num_steps: int, choice: Choice) -> Stage:
        """The client alone."""
        rate, optimizer = choice.client_learning_rate, choice.client_optimizer
        return stage("client", "client", num_steps, rate, optimizer, batch_size=self.batch_size)

    def network_stage(self, num_steps: int, choice: Choice, num_frames: int | None = None) -> Stage:
        """The whole network, on clips of `num_frames`; None for T."""
        fields = {"batch_size": self.batch_size, "num_frames": num_frames}
        return stage("end_to_end", "network", num_steps, choice.learning_rate, choice.optimizer, **fields)


@dataclasses.dataclass(frozen=True)
class Settings:
    """The size of a study.

    Attributes:
        name: the study's name in folders and headings.
        seeds: each has its own data, initialisation, pretraining and clips.
        target_seeds: further seeds, of the comparison at the longest T of the least T_s alone.
        map_seeds, ablation_seeds, second_network_seeds, direction_seeds, fine_tuning_seeds, bytes_seeds: the seeds that
            have these parts as well.
        lengths: pairs of T_s and the clip lengths T of its rows.
        clips: Q of the tables that have only one.
        map_frames: T of the map.
        map_distilled, map_events: its T_s, and the lengths of its events in frames.
        num_train, num_validate, num_test: videos of a seed's data set; choices are made on validation videos.
        num_map_test: test videos of each length of event.
        num_target: videos of the second data set (UCF101's layout), all splits together.
        fine_tune_updates: updates on it.
        actions, sprites, direction: the Recipes of the rendered actions, of the sprites that teach the main network of
            the arrow of time to see, and of the arrow of time.
        codings: how clips travel where accuracy is shown over bytes; raw distilled frames are among them.
        early_threads: threads for building data and for the main network's pretraining, for which all else waits; more
            than one if there are fewer seeds than cores.
        main_network, main_network_width: the network that recognises the frames.
    """

    name: str
    seeds: tuple[int, ...]
    actions: Recipe
    sprites: Recipe
    direction: Recipe
    target_seeds: tuple[int, ...] = ()
    map_seeds: tuple[int, ...] = ()
    ablation_seeds: tuple[int, ...] = ()
    second_network_seeds: tuple[int, ...] = ()
    direction_seeds: tuple[int, ...] = ()
    fine_tuning_seeds: tuple[int, ...] = ()
    bytes_seeds: tuple[int, ...] = ()
    lengths: tuple[tuple[int, tuple[int, ...]], ...] = ((5, (5, 10, 20)), (10, (10, 20, 40)))
    clips: int = 3
    map_frames: int = 20
    map_distilled: tuple[int, ...] = (2, 5, 10)
    map_events: tuple[int, ...] = (3, 6, 12, 24)
    num_train: int = 2400
    num_validate: int = 0
    num_test: int = 480
    num_map_test: int = 360
    num_target: int = 1440
    fine_tune_updates: int = 500
    codings: tuple[Coding, ...] = ()
    early_threads: int = 1
    main_network: str = "inception_i3d"
    main_network_width: float = 0.25

    @property
    def all_seeds(self) -> tuple[int, ...]:
        """All seeds that have a cell."""
        return (*self.seeds, *self.target_seeds)

    def chosen_seeds(self, seeds: Sequence[str] | None) -> tuple[int, ...]:
        """The seeds that a user names; all where there is no list.

        Raises:
            UserError: it is empty, or names a seed that the study does not have.
        """
        if seeds is None:
            return self.all_seeds
        found = tuple(seed for seed in self.all_seeds if str(seed) in seeds)
        if not found or len(found) < len(set(seeds)):
            raise UserError(
                f"`seeds` expects some of this study's seeds, {', '.join(map(str, self.all_seeds))}. "
                f"Received: seeds={','.join(seeds)}"
            )
        return found

    def recipe(self, data_name: str) -> Recipe:
        """The Recipe of a data set of study.data."""
        return {"axis": self.sprites, "direction": self.direction}.get(data_name, self.actions)


def full() -> Settings:
    """The study of `make study`."""
    return Settings(
        name="full",
        seeds=(0, 1, 2),
        actions=_actions(),
        sprites=_sprites(),
        direction=_sprites(trimmed_updates=400),
        map_seeds=(0,),
        ablation_seeds=(0,),
        second_network_seeds=(0,),
        direction_seeds=(0,),
        fine_tuning_seeds=(0,),
        bytes_seeds=(0, 1, 2),
        codings=_codings(),
    )


def quick() -> Settings:
    """The study of `make study-quick`: 20 frames to 5, beside I3D's 5 of 5; one seed, fewer videos and updates."""
    recipe = _actions(coarse_updates=300, trimmed_updates=800, random_updates=150, updates=400, client_updates=100)
    return Settings(
        name="quick",
        seeds=(),
        target_seeds=(0,),
        actions=recipe,
        sprites=_sprites(),
        direction=_sprites(),
        lengths=((5, (5, 20)),),
        num_train=1200,
        num_test=300,
        early_threads=2,
    )


def tuned() -> dict[str, Choice]:
    """{method: Choice}: what study/tuned.json holds."""
    values = json.loads(TUNED.read_text())
    return {method: Choice(**values[method]) for method in METHODS}


def chosen_by() -> str:
    """In words, where the choices in study/tuned.json come from."""
    return json.loads(TUNED.read_text())["chosen_by"]


def stage(
    name: str,
    trains: str,
    num_steps: int,
    learning_rate: float,
    optimizer: str = "adam",
    falls: tuple[float, ...] = (0.6, 0.85),
    **fields,
) -> Stage:
    """A Stage whose rate falls to 0.3 of itself at each of these shares of its steps."""
    boundaries = tuple(sorted({max(1, round(share * num_steps)) for share in falls}))
    return Stage(name, trains, num_steps, learning_rate, 0.3, boundaries, optimizer=optimizer, **fields)


def _coarse(num_steps, learning_rate, optimizer):
    """Stills of clips cut to the action."""
    fields = {"split": "trimmed", "num_frames": 1, "batch_size": 64}
    return stage("coarse", "coarse_extractor", num_steps, learning_rate, optimizer, **fields)


def _actions(coarse_updates=600, trimmed_updates=2400, random_updates=400, updates=800, client_updates=200):
    """I3D learns the actions from frames far apart, and then what else there is from short random clips.

    The methods pick frames far apart: an I3D that has only seen neighbouring ones knows nothing about these. Trained on
    long random clips, it would be sure of itself where short ones show nothing.
    """
    return Recipe(
        choices=tuned(),
        coarse=_coarse(coarse_updates, 0.002, "adam"),
        pretraining=(
            stage("i3d_trimmed", "network", trimmed_updates, 0.002, split="trimmed", batch_size=16),
            stage("i3d_random", "network", random_updates, 0.0005, num_frames=8, batch_size=16),
        ),
        pretraining_frames=(10, 5),
        updates=updates,
        client_updates=client_updates,
        coarse_size=48,
    )


def _sprites(trimmed_updates=2400):
    """The first study's recipe, chosen on the validation splits of its own tuning seeds.

    I3D learns the axes of one colour after the other, and waits at a low rate for ever: so the rate stays high. One
    that has seen few random clips is sure of the wrong class on whatever an untrained P mixes, and stage 1 learns
    little from it. No flips: they would turn one diagonal into the other.
    """
    tsd = {"client_learning_rate": 0.001, "logit_scale": 1 / 32}
    trimmed = {"split": "trimmed", "num_frames": 8, "batch_size": 16, "falls": (0.8, 0.92)}
    return Recipe(
        choices={
            "i3d": Choice(0.0005),
            "i3d_r": Choice(0.0005),
            "i3d_e": Choice(0.00025),
            "i3d_a": Choice(0.001),
            "tsd": Choice(0.001, **tsd),
        },
        coarse=_coarse(1000, 0.05, "sgd"),
        pretraining=(
            stage("i3d_trimmed", "network", trimmed_updates, 0.001, **trimmed),
            stage("i3d_random", "network", 600, 0.0005, batch_size=16),
        ),
        updates=800,
        client_updates=500,
        coarse_size=32,
        random_flip=False,
    )


def _codings():
    """H.264 of everything that can be sent, distilled frames as AV1 and JPEG too; some too good, some too bad."""
    h264 = [Coding("h264", crf, what) for what in (DISTILLED, WHOLE_CLIP, UNIFORM) for crf in range(16, 45, 4)]
    others = [Coding("av1", crf) for crf in (20, 30, 40, 50, 60)] + [Coding("jpeg", q) for q in (5, 15, 30, 50, 75, 90)]
    return (Coding("raw", None), *h264, *others)
