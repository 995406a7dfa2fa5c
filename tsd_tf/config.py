"""The configuration of a run: frozen, validated, and what `config.json` in a work directory holds."""

import dataclasses
import json
import math
from typing import Any

from tsd_tf.contract import references
from tsd_tf.contract.clip_spec import ClipSpec
from tsd_tf.contract.errors import UserError

METHODS = ("i3d", "i3d_r", "i3d_e", "i3d_a", "tsd")
MAIN_NETWORKS = ("inception_i3d", "artnet_resnet18", "tsn_bn_inception", "c3d", "resnet3d_18")

WORST_QUALITY = 51  # of H.264
C3D_FRAMES = 16  # the only clip length that its fully connected layers take


@dataclasses.dataclass(frozen=True)
class Stage:
    """One stretch of training with one schedule.

    Attributes:
        name: names the stage in logs and checkpoints.
        trains: "network" (everything), "client" (the main network is frozen, its batch norm in inference mode), or
            "coarse_extractor" (the client's MobileNet alone, as a classifier of single frames).
        num_steps: optimiser steps.
        learning_rate: the rate of the first step.
        decay_factor, boundaries: the rate is multiplied by `decay_factor` at each step in `boundaries`.
        split: the shards that it trains on.
        num_frames: frames of a training clip, for stages that train the main network on consecutive frames; None for T.
        batch_size: clips per replica and step.
        optimizer: "sgd" (with the run's momentum, as in the paper) or "adam".
    """

    name: str
    trains: str
    num_steps: int
    learning_rate: float
    decay_factor: float = 0.1
    boundaries: tuple[int, ...] = ()
    split: str = "train"
    num_frames: int | None = None
    batch_size: int = 6
    optimizer: str = "sgd"

    def __post_init__(self) -> None:
        object.__setattr__(self, "boundaries", tuple(self.boundaries))
        if self.trains not in ("network", "client", "coarse_extractor"):
            raise UserError(
                f"`trains` must be 'network', 'client' or 'coarse_extractor'. Received: trains={self.trains!r}"
            )
        if self.optimizer not in ("sgd", "adam"):
            raise UserError(f"`optimizer` must be 'sgd' or 'adam'. Received: optimizer={self.optimizer!r}")
        for name in ("num_steps", "batch_size"):
            if getattr(self, name) < 1:
                raise UserError(f"`{name}` of stage {self.name} must be at least 1. Received: {getattr(self, name)}")
        if self.learning_rate <= 0:
            raise UserError(f"`learning_rate` of stage {self.name} must be positive. Received: {self.learning_rate}")
        if any(low >= high for low, high in zip(self.boundaries, self.boundaries[1:], strict=False)):
            raise UserError(f"`boundaries` of stage {self.name} must ascend. Received: {self.boundaries}")


@dataclasses.dataclass(frozen=True)
class Config:
    """Everything that a run depends on; the defaults are the paper's on Kinetics-400, `kinetics400` adds the schedule.

    Attributes:
        dataset: names the run's directory.
        data_dir: folder of the shards.
        evaluation_split: the shards that evaluate.py reads.
        num_classes: classes of the data set.
        method: one of METHODS, or package.module:Class, a selector of the user's own.
        num_frames, num_distilled_frames: T and T_s.
        frame_rate, short_side, square_pixels: of the stored frames: frames a second, pixels, and whether the videos'
            ratio of the pixels' sides was obeyed. A training takes them from its shards.
        crop_size: pixels of the square crop.
        random_flip: left-right flips in training.
        augmentation: package.module:function of the user's own that changes training clips, or None.
        main_network: one of MAIN_NETWORKS, of which the paper's is "inception_i3d", or package.module:function of the
            user's own; see tsd_tf.network_builder.
        main_network_width, main_network_batch_norm_momentum, dropout_rate: see InceptionI3D; C3D has no batch norm.
        coarse_size .. coarse_batch_norm_momentum: of the coarse extractor of TSD and I3D_A, see CoarseSelector.
        embedding_channels .. in_time_order: see TSDBlock; in_time_order is not the paper's.
        mobilenet_weights: "imagenet" (Keras downloads them), "none", or a .weights.h5 file.
        momentum, weight_decay: of SGD; the decay is an L2 penalty on kernels.
        gradient_clip_norm, client_gradient_clip_norm: bound on the norm of all gradients, or of the client's; or None.
        gradient_accumulation: the parts into which a replica's clips are split, one after the other, for each update.
        mixed_precision: float16 on GPU, bfloat16 on CPU; see tsd_tf.training.precision.
        last_layer_rate_factor: factor on the rate of the main network's last layer (10 for fine-tuning, Section 4.2).
        stages: the Stages of the training, in order.
        scale_learning_rate: multiplies the rates by the number of replicas, as the clips of a step are.
        rate_weight: weight of the kilobytes of a coded clip in the loss of stages that train the whole network, whose
            distilled frames then pass a codec (tsd_tf.layers.ClipCodec); 0 for neither, as in the paper.
        codec_quality: of that codec, H.264's CRF: a larger one takes fewer bytes.
        seed: the seed of initialisation, clip sampling and shuffling.
    """

    dataset: str = "kinetics400"
    data_dir: str = "data/kinetics400"
    evaluation_split: str = "validate"
    num_classes: int = 400
    method: str = "tsd"
    num_frames: int = 40
    num_distilled_frames: int = 10
    frame_rate: float = 25.0
    short_side: int = 256
    square_pixels: bool = False
    crop_size: int = 224
    random_flip: bool = True
    augmentation: str | None = None
    main_network: str = "inception_i3d"
    main_network_width: float = 1.0
    main_network_batch_norm_momentum: float = 0.999
    dropout_rate: float = 0.5
    coarse_size: int = 112
    coarse_width: float = 1.0
    coarse_features_layer: str | None = None
    coarse_batch_norm_momentum: float = 0.99
    embedding_channels: int = 512
    output_kernel: int = 3
    initializer_stddev: float = 0.01
    logit_scale: float = 1.0
    in_time_order: bool = False
    mobilenet_weights: str = "imagenet"
    momentum: float = 0.9
    weight_decay: float = 1e-7
    gradient_clip_norm: float | None = None
    client_gradient_clip_norm: float | None = None
    gradient_accumulation: int = 1
    mixed_precision: bool = False
    last_layer_rate_factor: float = 1.0
    scale_learning_rate: bool = False
    rate_weight: float = 0.0
    codec_quality: int = 24
    stages: tuple[Stage, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "stages", tuple(self.stages))
        for name in ("num_frames", "num_distilled_frames", "num_classes"):
            if getattr(self, name) < 1:
                raise UserError(f"`{name}` must be at least 1. Received: {name}={getattr(self, name)}")
        if self.num_distilled_frames > self.num_frames:
            raise UserError(
                "`num_distilled_frames` must be at most `num_frames`: a clip is distilled into fewer frames. "
                f"Received: num_distilled_frames={self.num_distilled_frames}, num_frames={self.num_frames}"
            )
        for name, names, form in (
            ("method", METHODS, "package.module:Class"),
            ("main_network", MAIN_NETWORKS, "package.module:function"),
        ):
            value = getattr(self, name)
            if value not in names and not references.is_reference(value):
                raise UserError(f"`{name}` must be one of {', '.join(names)}, or {form}. Received: {name}={value}")
        if self.augmentation is not None and not references.is_reference(self.augmentation):
            raise UserError(
                f"`augmentation` must have the form package.module:function. Received: augmentation={self.augmentation}"
            )
        if self.main_network == "c3d":
            # Temporal attention trains on all T frames of a clip.
            name = "num_frames" if self.method == "i3d_a" else "num_distilled_frames"
            if getattr(self, name) != C3D_FRAMES or self.num_distilled_frames != C3D_FRAMES:
                raise UserError(
                    f"`main_network` c3d takes clips of {C3D_FRAMES} frames, so `method` {self.method} needs "
                    f"{C3D_FRAMES} as `{name}`. "
                    f"Received: num_frames={self.num_frames}, num_distilled_frames={self.num_distilled_frames}"
                )
            for stage in self.stages:
                if stage.trains == "network" and stage.num_frames not in (None, C3D_FRAMES):
                    raise UserError(
                        f"`num_frames` of stage {stage.name} must be {C3D_FRAMES} or None for `main_network` c3d. "
                        f"Received: {stage.num_frames}"
                    )
        if not 0 <= self.rate_weight < math.inf:
            raise UserError(f"`rate_weight` must be at least 0. Received: rate_weight={self.rate_weight}")
        if self.rate_weight and self.method in METHODS and self.method != "tsd":
            raise UserError(
                "`rate_weight` is for `method` tsd, whose client learns which frames to send. "
                f"Received: rate_weight={self.rate_weight}, method={self.method}"
            )
        if not 0 <= self.codec_quality <= WORST_QUALITY:
            raise UserError(
                f"`codec_quality` must be from 0 (best) to {WORST_QUALITY}. "
                f"Received: codec_quality={self.codec_quality}"
            )
        if not 0 < self.frame_rate < math.inf:
            raise UserError(f"`frame_rate` must be positive. Received: frame_rate={self.frame_rate}")
        for name in ("gradient_clip_norm", "client_gradient_clip_norm"):
            if getattr(self, name) is not None and getattr(self, name) <= 0:
                raise UserError(f"`{name}` must be positive. Received: {name}={getattr(self, name)}")
        for stage in self.stages:
            if self.gradient_accumulation < 1 or stage.batch_size % self.gradient_accumulation:
                raise UserError(
                    "`gradient_accumulation` must divide the clips a replica and step into equal parts. Received: "
                    f"gradient_accumulation={self.gradient_accumulation}, and {stage.batch_size} clips in stage "
                    f"{stage.name}"
                )
        if not 1 <= self.crop_size <= self.short_side:
            raise UserError(
                "`crop_size` must be between 1 and `short_side`. "
                f"Received: crop_size={self.crop_size}, short_side={self.short_side}"
            )

    @property
    def run_name(self) -> str:
        """Names the default work directory under `runs/<dataset>/`: "i3d", or e.g. "tsd_T40_Ts10".

        A main network other than I3D is appended: "tsd_T40_Ts16_c3d". Parts of the user's own go by their last name.
        """
        frames = "" if self.method == "i3d" else f"_T{self.num_frames}_Ts{self.num_distilled_frames}"
        network = "" if self.main_network == "inception_i3d" else f"_{references.short_name(self.main_network)}"
        return f"{references.short_name(self.method)}{frames}{network}"

    @property
    def clip_spec(self) -> ClipSpec:
        """The clips that the network takes, without the user's own augmentation."""
        return ClipSpec(self.num_frames, self.crop_size, self.num_classes, self.random_flip)

    def to_json(self) -> str:
        """The configuration as a JSON object, readable by `from_json`."""
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Config":
        """Reads what `to_json` wrote; raises UserError on anything else."""
        try:
            values = json.loads(text)
            values["stages"] = tuple(Stage(**stage) for stage in values["stages"])
            return cls(**values)
        except (TypeError, KeyError, AttributeError, json.JSONDecodeError) as error:
            raise UserError(f"not a configuration of this version of tsd_tf: {error}") from error


def _refuse_reference(method: str) -> None:
    """UserError for a selector of the user's own: its class says which schedule it wants."""
    if references.is_reference(method):
        raise UserError(
            f"a preset's `method` must be one of {', '.join(METHODS)}; tsd_tf.network_builder.preset makes one for a "
            f"selector of your own. Received: method={method}"
        )


# A network from another data set: its last layer is new and at ten times the rate (Section 4.2).
_FINE_TUNING: dict[str, Any] = {
    "last_layer_rate_factor": 10.0,
    "stages": (Stage("finetune", "network", 5_000, 0.01),),
}


def kinetics400(method: str = "tsd") -> Config:
    """The paper's setting on Kinetics-400 (Section 4.2), with the schedule of one of METHODS."""
    _refuse_reference(method)
    end_to_end = ("network", 90_000, 0.01, 0.3, (30_000, 60_000))
    if method == "i3d":
        i3d = Stage("i3d", "network", 115_000, 0.1, 0.1, (97_000, 108_000))
        return Config(method=method, num_frames=64, num_distilled_frames=64, stages=(i3d,))
    if method == "tsd":
        client = Stage("tsd_stage1", "client", 50_000, 0.1, 0.1, (10_000, 20_000, 30_000, 40_000))
        return Config(method=method, stages=(client, Stage("tsd_stage2", *end_to_end)))
    return Config(method=method, stages=(Stage("sampling", *end_to_end),))


def ucf101(method: str = "tsd") -> Config:
    """The paper's setting on UCF101: a network from Kinetics, its last layer new and at ten times the rate."""
    fields: dict[str, Any] = {"data_dir": "data/ucf101/split1", "evaluation_split": "test", "num_classes": 101}
    return dataclasses.replace(kinetics400(method), dataset="ucf101", **fields, **_FINE_TUNING)


def custom(method: str = "tsd") -> Config:
    """A setting for a data set of the user's own of thousands of videos, trained from nothing: Kinetics', but shorter.

    `num_classes` is to be that of the data; train_kinetics.py takes it from labels.txt.
    """
    config = kinetics400(method)
    end_to_end = ("network", 6_000, 0.01, 0.3, (2_000, 4_000))
    if method == "i3d":
        stages: tuple[Stage, ...] = (Stage("i3d", "network", 10_000, 0.1, 0.1, (8_400, 9_400)),)
    elif method == "tsd":
        client = Stage("tsd_stage1", "client", 4_000, 0.1, 0.1, (800, 1_600, 2_400, 3_200))
        stages = (client, Stage("tsd_stage2", *end_to_end))
    else:
        stages = (Stage("sampling", *end_to_end),)
    return dataclasses.replace(config, dataset="custom", data_dir="data/custom", evaluation_split="test", stages=stages)


def custom_fine_tuned(method: str = "tsd") -> Config:
    """As `custom`, from a network that is trained on Kinetics: as UCF101 is."""
    return dataclasses.replace(custom(method), **_FINE_TUNING)


def sample(method: str = "tsd") -> Config:
    """A small setting for the procedural sample data set (tfrecords.build_sample), trainable on two CPU cores.

    What differs from the paper, and why: batch norm settles in hundreds of steps (momentum 0.9), and Adam gets the main
    network off the ground in as many; the coarse extractor is trained on single frames, as no ImageNet
    weights fit its size; I3D first sees clips trimmed to the action; and at this width the paper's initial deviation
    and rate make P one-hot within 50 steps, so the block starts from 0.1, its logits are scaled by
    1 / sqrt(H W C') = 1/32 and the client's gradient is clipped. No flips: they would turn one diagonal into the other.
    """
    _refuse_reference(method)
    coarse = _sample_stage("coarse", "coarse_extractor", 400, 0.05, split="trimmed", num_frames=1, batch_size=64)
    last = "tsd_stage2" if method == "tsd" else "sampling"
    end_to_end = _sample_stage(last, "network", 200, 0.0005, optimizer="adam")
    stages: tuple[Stage, ...] = (end_to_end,)
    if method == "i3d":
        stages = (
            _sample_stage("i3d_trimmed", "network", 400, 0.001, split="trimmed", num_frames=8, optimizer="adam"),
            _sample_stage("i3d", "network", 150, 0.0005, optimizer="adam"),
        )
    elif method == "tsd":
        stages = (coarse, _sample_stage("tsd_stage1", "client", 150, 0.03), end_to_end)
    elif method == "i3d_a":
        stages = (coarse, end_to_end)
    return Config(
        dataset="sample",
        data_dir="data/sample",
        evaluation_split="test",
        num_classes=6,
        method=method,
        num_frames=20,
        num_distilled_frames=20 if method == "i3d" else 5,
        short_side=64,
        crop_size=64,
        random_flip=False,
        main_network_width=0.25,
        main_network_batch_norm_momentum=0.9,
        dropout_rate=0.2,
        coarse_size=32,
        coarse_width=0.25,
        coarse_features_layer="conv_pw_5_relu",
        coarse_batch_norm_momentum=0.9,
        embedding_channels=64,
        initializer_stddev=0.1,
        logit_scale=1 / 32,
        mobilenet_weights="none",
        client_gradient_clip_norm=1.0,
        stages=stages,
    )


def _sample_stage(
    name: str, trains: str, num_steps: int, learning_rate: float, batch_size: int = 16, **fields: Any
) -> Stage:
    """A stage of `sample`: the rate falls at 60 % and at 85 % of the steps."""
    boundaries = (round(0.6 * num_steps), round(0.85 * num_steps))
    return Stage(name, trains, num_steps, learning_rate, 0.3, boundaries, batch_size=batch_size, **fields)
