"""The configuration of a run: frozen, validated, and what `config.json` in a work directory holds."""

import dataclasses
import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

from tsd_tf.contract import references, typed_fields
from tsd_tf.contract.clip_spec import CONSECUTIVE, FRAME_SAMPLINGS, ClipSpec
from tsd_tf.contract.errors import UserError
from tsd_tf.recipes import Recipe

METHODS = ("i3d", "i3d_r", "i3d_e", "i3d_a", "tsd")
MAIN_NETWORKS = ("inception_i3d", "artnet_resnet18", "tsn_bn_inception", "c3d", "resnet3d_18")

AUGMENTATIONS = ("brightness", "contrast", "saturation", "grey", "zoom")  # of tsd_tf.data.augmentations

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
        num_frames: frames of a training clip, for stages that train the main network on all of its frames; None for T.
        frame_sampling: where these frames lie in the video, see ClipSpec; None for the run's own.
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
    frame_sampling: str | None = None
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
        if self.frame_sampling not in (None, *FRAME_SAMPLINGS):
            raise UserError(
                f"`frame_sampling` of stage {self.name} must be one of {', '.join(FRAME_SAMPLINGS)}, or None. "
                f"Received: {self.frame_sampling!r}"
            )
        for name in ("num_steps", "batch_size"):
            if getattr(self, name) < 1:
                raise UserError(f"`{name}` of stage {self.name} must be at least 1. Received: {getattr(self, name)}")
        for name in ("learning_rate", "decay_factor"):
            if not 0 < getattr(self, name) < math.inf:
                raise UserError(f"`{name}` of stage {self.name} must be positive. Received: {getattr(self, name)}")
        if any(low >= high for low, high in zip(self.boundaries, self.boundaries[1:], strict=False)):
            raise UserError(f"`boundaries` of stage {self.name} must ascend. Received: {self.boundaries}")


@dataclasses.dataclass(frozen=True)
class Config:
    """Everything that a run depends on; the defaults are the paper's on Kinetics-400, `kinetics400` adds the schedule.

    Attributes:
        dataset: names the run's directory.
        data_dir: folder of the shards.
        evaluation_split: the shards that evaluate.py reads.
        held_out_share: of the videos of every training split, by the hash of their names: they are not trained on, but
            choose the best weights; see tsd_tf.data.part.Part.
        num_classes: classes of the data set.
        method: one of METHODS, or package.module:Class, a selector of the user's own.
        num_frames, num_distilled_frames: T and T_s.
        frame_sampling: where the T frames of a clip lie in the video, see ClipSpec.
        frame_rate, short_side, square_pixels: of the stored frames: frames a second, pixels, and whether the videos'
            ratio of the pixels' sides was obeyed. A training takes them from its shards.
        crop_size: pixels of the square crop.
        random_flip: left-right flips in training.
        augmentations: what else changes training clips, one after the other: of AUGMENTATIONS, or
            package.module:function of the user's own; in Python also the function itself, which is kept by its name.
        main_network: one of MAIN_NETWORKS, of which the paper's is "inception_i3d", or package.module:function of the
            user's own; see tsd_tf.network_builder.
        main_network_width, main_network_batch_norm_momentum, dropout_rate: see InceptionI3D; C3D has no batch norm.
        coarse_size .. coarse_stride: of the coarse extractor of TSD and I3D_A, see CoarseSelector.
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
    held_out_share: float = 0.0
    num_classes: int = 400
    method: str = "tsd"
    num_frames: int = 40
    num_distilled_frames: int = 10
    frame_sampling: str = CONSECUTIVE
    frame_rate: float = 25.0
    short_side: int = 256
    square_pixels: bool = False
    crop_size: int = 224
    random_flip: bool = True
    augmentations: tuple[str, ...] = ()
    main_network: str = "inception_i3d"
    main_network_width: float = 1.0
    main_network_batch_norm_momentum: float = 0.999
    dropout_rate: float = 0.5
    coarse_size: int = 112
    coarse_width: float = 1.0
    coarse_features_layer: str | None = None
    coarse_batch_norm_momentum: float = 0.99
    coarse_stride: int = 1
    embedding_channels: int = 512
    output_kernel: int = 3
    initializer_stddev: float = 0.01
    logit_scale: float | str = 1.0
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
        named = (references.name_of(one, "augmentations") if callable(one) else one for one in self.augmentations)
        object.__setattr__(self, "augmentations", tuple(named))
        for name in ("num_frames", "num_distilled_frames", "num_classes", "coarse_stride"):
            if getattr(self, name) < 1:
                raise UserError(f"`{name}` must be at least 1. Received: {name}={getattr(self, name)}")
        if self.num_distilled_frames > self.num_frames:
            raise UserError(
                "`num_distilled_frames` must be at most `num_frames`: a clip is distilled into fewer frames. "
                f"Received: num_distilled_frames={self.num_distilled_frames}, num_frames={self.num_frames}"
            )
        if self.frame_sampling not in FRAME_SAMPLINGS:
            raise UserError(
                f"`frame_sampling` must be one of {', '.join(FRAME_SAMPLINGS)}. "
                f"Received: frame_sampling={self.frame_sampling}"
            )
        for name, names, form in (
            ("method", METHODS, "package.module:Class"),
            ("main_network", MAIN_NETWORKS, "package.module:function"),
        ):
            value = getattr(self, name)
            if value not in names and not references.is_reference(value):
                raise UserError(f"`{name}` must be one of {', '.join(names)}, or {form}. Received: {name}={value}")
        for name in self.augmentations:
            if name not in AUGMENTATIONS and not references.is_reference(name):
                raise UserError(
                    f"`augmentations` must be of {', '.join(AUGMENTATIONS)}, or package.module:function. "
                    f"Received: augmentations={name}"
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
        if self.logit_scale != "auto" and not (isinstance(self.logit_scale, int | float) and self.logit_scale > 0):
            raise UserError(
                f"`logit_scale` must be a positive number or 'auto'. Received: logit_scale={self.logit_scale!r}"
            )
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
        for name in ("frame_rate", "main_network_width", "coarse_width", "initializer_stddev"):
            if not 0 < getattr(self, name) < math.inf:
                raise UserError(f"`{name}` must be positive. Received: {name}={getattr(self, name)}")
        for name in ("weight_decay", "last_layer_rate_factor", "rate_weight"):
            if not 0 <= getattr(self, name) < math.inf:
                raise UserError(f"`{name}` must be at least 0. Received: {name}={getattr(self, name)}")
        for name in ("dropout_rate", "momentum", "held_out_share"):
            if not 0 <= getattr(self, name) < 1:
                raise UserError(f"`{name}` must be at least 0 and below 1. Received: {name}={getattr(self, name)}")
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

        Frames from all of the video and a main network other than I3D are appended: "tsd_T40_Ts16_segments_c3d". Parts
        of the user's own go by their last name.
        """
        frames = "" if self.method == "i3d" else f"_T{self.num_frames}_Ts{self.num_distilled_frames}"
        sampling = "" if self.frame_sampling == CONSECUTIVE else f"_{self.frame_sampling}"
        network = "" if self.main_network == "inception_i3d" else f"_{references.short_name(self.main_network)}"
        return f"{references.short_name(self.method)}{frames}{sampling}{network}"

    @property
    def clip_spec(self) -> ClipSpec:
        """The clips that the network takes, without `augmentations`."""
        return ClipSpec(
            self.num_frames, self.crop_size, self.num_classes, self.random_flip, frame_sampling=self.frame_sampling
        )

    def require_consecutive_frames(self) -> None:
        """UserError for a network of segments: who captures a clip has consecutive frames, not the whole video."""
        if self.frame_sampling != CONSECUTIVE:
            raise UserError(
                f"the network takes frames of all of a video (frame_sampling={self.frame_sampling}), and clips of "
                "consecutive frames are all there is here; test it with evaluate.py"
            )

    def changed(self, values: Mapping[str, Any]) -> "Config":
        """The configuration with other values in some fields, as JSON holds them.

        Args:
            values: by name; `stages` is a list of Stages, or of objects of their fields.

        Raises:
            UserError: there is no such field, or it cannot hold such a value; names the nearest one.
        """
        check_fields(values)
        fields = dict(values)
        if "stages" in fields:
            fields["stages"] = stages_of(fields["stages"])
        return dataclasses.replace(self, **fields)

    def to_json(self) -> str:
        """The configuration as a JSON object, readable by `from_json`."""
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Config":
        """Reads what `to_json` wrote, now or when there were fewer fields; raises UserError on anything else."""
        try:
            values = json.loads(text)
            if not isinstance(values, dict) or "stages" not in values:
                raise UserError("expected an object of fields, stages among them")
            return cls().changed(today(values))
        except (UserError, json.JSONDecodeError, RecursionError) as error:
            raise UserError(f"not a configuration of this version of tsd_tf: {error}") from error


def today(values: Mapping[str, Any]) -> dict[str, Any]:
    """Fields as JSON holds them, those with an earlier name under today's."""
    values = dict(values)
    if "augmentation" in values and "augmentations" not in values:  # one of the user's own, or none
        earlier = values.pop("augmentation")
        values["augmentations"] = [earlier] if earlier else []
    return values


def check_fields(values: Mapping[str, Any]) -> None:
    """UserError unless all names are fields of Config, and all values of their types, as JSON holds them."""
    typed_fields.check(Config, values)
    stages_of(values.get("stages", ()))


def stages_of(values: Iterable[Any]) -> tuple[Stage, ...]:
    """Stages, from Stages or from objects of their fields.

    Raises:
        UserError: a field is missing, not one of Stage's, or of another type.
    """
    stages: list[Stage] = []
    for number, value in enumerate(values):
        if not isinstance(value, Stage):
            of = f" of stage {value.get('name', number)}"
            typed_fields.check(Stage, value, of)
            if missing := [name for name in ("name", "trains", "num_steps", "learning_rate") if name not in value]:
                raise UserError(f"expected {', '.join(missing)}{of}, got none")
            value = Stage(**value)
        stages.append(value)
    return tuple(stages)


# Presets of single networks of Table 1, each trained as its authors do; <name>_ucf101 goes on from there on UCF101.
PUBLISHED = ("tsn", "artnet", "c3d", "resnet3d_18")


def from_preset(name: str, method: str) -> Config:
    """What the file of a preset says for one of METHODS, on top of the preset that it names.

    Raises:
        UserError: the preset is not of this method, or the method is a selector of the user's own.
    """
    if references.is_reference(method):  # its class says which schedule it wants
        raise UserError(
            f"a preset's `method` must be one of {', '.join(METHODS)}; tsd_tf.network_builder.preset makes one for a "
            f"selector of your own. Received: method={method}"
        )
    recipe = Recipe.of_preset(name)
    own = recipe.fields.get("method", method)
    if own != method:
        raise UserError(
            f"the preset {name} trains its network alone, so `method` must be {own}; the preset kinetics400 puts "
            f"others before it. Received: method={method}"
        )
    base = from_preset(recipe.preset, method) if recipe.preset else Config(method=method)
    return base.changed(recipe.fields_of(method))


def kinetics400(method: str = "tsd") -> Config:
    """The paper's setting on Kinetics-400 (Section 4.2), with the schedule of one of METHODS."""
    return from_preset("kinetics400", method)


def ucf101(method: str = "tsd") -> Config:
    """The paper's setting on UCF101: a network from Kinetics, its last layer new and at ten times the rate."""
    return from_preset("ucf101", method)


def custom(method: str = "tsd") -> Config:
    """A setting for a data set of the user's own of thousands of videos, trained from nothing: Kinetics', but shorter.

    `num_classes` is to be that of the data; train_kinetics.py takes it from labels.txt.
    """
    return from_preset("custom", method)


def custom_fine_tuned(method: str = "tsd") -> Config:
    """As `custom`, from a network that is trained on Kinetics: as UCF101 is."""
    return from_preset("custom_fine_tuned", method)


def sample(method: str = "tsd") -> Config:
    """A small setting for six actions of the sample data set (tfrecords.build_sample), trainable on two CPU cores."""
    return from_preset("sample", method)
