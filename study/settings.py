"""What the study runs: sizes, schedules and the configuration of every method."""

import dataclasses
import json
import pathlib

from tsd_tf import config as configs
from tsd_tf.config import Stage

METHODS = configs.METHODS
TUNED = pathlib.Path(__file__).with_name("tuned.json")


@dataclasses.dataclass(frozen=True)
class Settings:
    """The size of a study.

    Attributes:
        name: the study's name in folders and headings.
        seeds: each has its own data, initialisation, pretraining and clips.
        lengths: pairs of T_s and the clip lengths T of its rows.
        num_train, num_validate, num_test: videos of a seed's data set.
        num_target: videos of the second data set (UCF101 layout), all splits together.
        coarse_updates: updates of the client's pretraining on single frames.
        trimmed_updates, long_updates: updates of I3D's pretraining, on clips cut to the event and on random clips.
        second_trimmed_updates: updates of the second main network's pretraining on clips cut to the event.
        direction_updates: further updates of I3D on clips cut to the event, where the classes are directions.
        updates: main-network updates of every method.
        client_updates: updates of stage 1, with the main network frozen.
        fine_tune_updates: updates on the second data set.
        batch_size: clips in an update.
        early_threads: threads for building data and for the main network's pretraining, for which all else waits; more
            than one if there are fewer seeds than cores.
        main_network, main_network_width: the network that recognises the frames.
        clips: Q of Table 2.
        direction_seeds: seeds with the arrow of time.
        ablation_seeds: seeds with ablations.
        second_network_seeds: seeds with a second main network.
        extras: whether Tables 3 and 4, Figure 3, ablations and the arrow of time are run as well.
    """

    name: str = "full"
    seeds: tuple = (0, 1, 2)
    lengths: tuple = ((5, (5, 10, 20)), (10, (10, 20, 40)))
    num_train: int = 3000
    num_validate: int = 480
    num_test: int = 480
    num_target: int = 1440
    coarse_updates: int = 1000
    trimmed_updates: int = 2400
    second_trimmed_updates: int = 1200
    long_updates: int = 600
    direction_updates: int = 400
    updates: int = 300
    client_updates: int = 500
    fine_tune_updates: int = 500
    batch_size: int = 16
    early_threads: int = 1
    main_network: str = "inception_i3d"
    main_network_width: float = 0.25
    clips: int = 3
    direction_seeds: tuple = (0, 1)
    ablation_seeds: tuple = (0,)
    second_network_seeds: tuple = (0,)
    extras: bool = True


def full():
    """The study of `make study`."""
    return Settings()


def quick():
    """The study of `make study-quick`: one seed, T_s = 5, T of T_s and 4 T_s, without the extras."""
    return Settings(
        name="quick",
        seeds=(1,),
        lengths=((5, (5, 20)),),
        num_validate=12,
        early_threads=2,
        extras=False,
    )


@dataclasses.dataclass(frozen=True)
class Choice:
    """What was chosen for a method on the validation splits of the tuning seeds (python -m study.tune).

    Attributes:
        learning_rate, optimizer: of the updates of the whole network.
        train_frames: clip length in I3D's updates; None for the T of its test.
        client_learning_rate, client_optimizer: of stage 1.
        client_gradient_clip_norm: bound on the norm of the client's gradient in both stages; None for no bound.
        initializer_stddev, logit_scale: of the TSD block.
    """

    learning_rate: float = 0.01
    optimizer: str = "sgd"
    train_frames: int | None = None
    client_learning_rate: float = 0.03
    client_optimizer: str = "sgd"
    client_gradient_clip_norm: float | None = 1.0
    initializer_stddev: float = 0.1
    logit_scale: float = 1 / 32


def tuned():
    """{method: Choice}: what study/tuned.json holds."""
    values = json.loads(TUNED.read_text())
    return {method: Choice(**values[method]) for method in METHODS}


def chosen_by():
    """In words, where the choices in study/tuned.json come from."""
    return json.loads(TUNED.read_text())["chosen_by"]


def stage(settings, name, trains, num_steps, learning_rate, optimizer="sgd", falls=(0.6, 0.85), **fields):
    """A Stage whose rate falls to 0.3 of itself at each of these shares of its steps."""
    boundaries = tuple(sorted({max(1, round(share * num_steps)) for share in falls}))
    fields = {"batch_size": settings.batch_size, **fields}
    return Stage(name, trains, num_steps, learning_rate, 0.3, boundaries, optimizer=optimizer, **fields)


def coarse_stages(settings):
    """The client's pretraining: single frames of clips cut to the event. It stands for ImageNet."""
    return (
        stage(
            settings,
            "coarse",
            "coarse_extractor",
            settings.coarse_updates,
            0.05,
            split="trimmed",
            num_frames=1,
            batch_size=64,
        ),
    )


def pretraining_stages(settings, trimmed_updates):
    """A main network's pretraining: clips cut to the event, on which it learns what moves how, then random clips.

    In the first stage I3D learns the axes of one colour after the other, and may wait 500 updates and more for the
    last. The rate stays high until then: at a low rate, or at twice this one, the wait does not end. ResNet3D-18 does
    not wait. The second stage teaches doubt where there is no event. Without it, a frozen I3D is sure of the wrong
    class on everything that an untrained P mixes, and stage 1 learns little from it.
    """
    return (
        stage(
            settings,
            "i3d_trimmed",
            "network",
            trimmed_updates,
            0.001,
            "adam",
            falls=(0.8, 0.92),
            split="trimmed",
            num_frames=8,
        ),
        stage(settings, "i3d_long", "network", settings.long_updates, 0.0005, "adam"),
    )


def method_stages(settings, method, choice):
    """The stages of one method after its pretraining: the same number of updates of the whole network for every method.

    TSD has a stage before: coarse extractor and block, with the main network frozen (Section 4.2).
    """
    length = choice.train_frames if method == "i3d" else None
    rate, optimizer = choice.learning_rate, choice.optimizer
    end_to_end = stage(settings, "end_to_end", "network", settings.updates, rate, optimizer, num_frames=length)
    if method != "tsd":
        return (end_to_end,)
    rate, optimizer = choice.client_learning_rate, choice.client_optimizer
    return (stage(settings, "client", "client", settings.client_updates, rate, optimizer), end_to_end)


def fine_tuning_stage(settings, choice):
    """The whole network on the second data set, at the method's own rate."""
    return stage(settings, "finetune", "network", settings.fine_tune_updates, choice.learning_rate, choice.optimizer)
