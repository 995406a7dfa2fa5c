"""What all tests share."""

import dataclasses
import os
import pathlib
import struct

import numpy as np
import pytest
from absl import flags

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# As every program has it. gRPC's threads would write between the lines of the next test.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
# Two test files run at a time, each with processes of its own: more threads than cores only get in each other's way.
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
if os.environ.get("KERAS_BACKEND") == "jax":
    # Compiling hundreds of small operations is what takes the time; without optimisation it takes a seventh of it.
    os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true")
    # On a GPU, as the next: convolutions in TensorFloat-32, with ten bits of mantissa, would not hold the tolerances.
    os.environ.setdefault("JAX_DEFAULT_MATMUL_PRECISION", "highest")
if os.environ.get("KERAS_BACKEND") == "torch":
    import torch

    torch.backends.cudnn.allow_tf32 = False


_define = flags.FlagValues.__setitem__


def _define_again(values, name, flag):
    """Defines a flag, in place of one of this name: a test may import a program whose flags another one has, too."""
    flag.allow_override = True
    _define(values, name, flag)


flags.FlagValues.__setitem__ = _define_again


def pytest_collection_modifyitems(items):
    """Slow files first, those of training before all, so that no worker is left with a long one at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    places = {path: place for place, path in enumerate(sorted(slow, reverse=True))}
    items.sort(key=lambda item: places.get(item.path, len(places)))


@pytest.fixture(scope="module", autouse=True)
def seeds():
    """Every module's initial weights are the same in every run."""
    import keras

    keras.utils.set_random_seed(0)


@pytest.fixture(scope="session")
def test_data():
    """The folder of optional reference data, named by the environment variable TSD_TEST_DATA."""
    path = os.environ.get("TSD_TEST_DATA")
    if not path:
        pytest.skip("TSD_TEST_DATA names no folder of reference data")
    return pathlib.Path(path)


@pytest.fixture(scope="session")
def index_of():
    """Frames (..., height, width, 3) -> the indices that their grey levels tell (...), four levels an index."""
    return lambda frames: np.rint(np.asarray(frames).mean((-3, -2, -1)) / 4).astype(int)


@pytest.fixture(scope="session")
def rotate_by_header():
    """A function: writes a display matrix into an MP4's track header, where phones put it; a clockwise quarter turn."""

    def rotate(path, matrix=(0, 1, -1, 0)):
        content = bytearray(path.read_bytes())
        place = content.index(b"tkhd") + 4 + 40  # version 0
        assert struct.unpack(">9i", content[place : place + 36])[0] == 1 << 16
        a, b, c, d = (value << 16 for value in matrix)
        content[place : place + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
        path.write_bytes(content)

    return rotate


@pytest.fixture(scope="session")
def stretch_tenth_frame():
    """A function: gives the tenth of an MP4's 20 frames 400 ms in place of 40."""

    def stretch(path):
        content = bytearray(path.read_bytes())
        table = content.index(b"stts") + 4
        flags, entries, count, delta = struct.unpack(">4I", content[table : table + 16])
        assert (entries, count) == (1, 20)
        # The table grows by two entries, so it goes into a new box of its own size: every parent grows with it.
        new = struct.pack(">8I", flags, 3, 9, delta, 1, 10 * delta, 10, delta)
        grown = content[: table - 8] + struct.pack(">I", 8 + len(new)) + b"stts" + new + content[table + 16 :]
        for parent in (b"moov", b"trak", b"mdia", b"minf", b"stbl"):
            at = grown.index(parent) - 4
            grown[at : at + 4] = struct.pack(">I", struct.unpack(">I", grown[at : at + 4])[0] + 16)
        assert grown.index(b"mdat") < grown.index(b"moov")  # offsets of the pictures stay
        path.write_bytes(grown.replace(b"edts", b"free"))  # an edit list would cut the film at its old length

    return stretch


@pytest.fixture(scope="session")
def sample_videos(tmp_path_factory):
    """A tiny sample data set as video files: 12 training videos of 6 classes (whole and trimmed), 6 test videos."""
    from tsd_tf.building import sample_videos
    from tsd_tf.building.sprite_videos import SpriteVideos

    folder = tmp_path_factory.mktemp("videos")
    sample_videos.write(folder, {"train": 12, "test": 6}, scene=SpriteVideos(num_axes=2), seed=0, processes=1)
    return folder


@pytest.fixture(scope="session")
def sample_shards(tmp_path_factory, sample_videos):
    """The same as shards: a data folder with two shards for each of train, test and trimmed."""
    from tsd_tf.building import annotations, conversion, sharding

    folder = tmp_path_factory.mktemp("shards")
    names = annotations.read_class_list(sample_videos / "labels.txt")
    for split in ("train", "test", "trimmed"):
        sharding.build(
            annotations.read_kinetics(sample_videos / f"{split}.csv", names),
            str(sample_videos / split),
            str(folder),
            split,
            names,
            conversion.Settings(25.0, 64, 90, 1),
            num_shards=2,
            processes=1,
        )
    return folder


@pytest.fixture(scope="session")
def damage_record():
    """A function: gives a record of a data folder's first shard of a split a label that no class has.

    Its value is the name under which the record is reported.
    """
    import tensorflow as tf

    from tsd_tf.contract import schema
    from tsd_tf.data import tfrecord

    def damage(folder, split, index=0):
        (path,) = folder.glob(f"{split}-00000-of-*")
        with open(path, "rb") as file:
            records = [record for *_, record in tfrecord.read_records(file)]
        example = tf.train.SequenceExample.FromString(records[index])
        example.context.feature[schema.LABEL_INDEX].int64_list.value[:] = [99]
        records[index] = example.SerializeToString()
        path.write_bytes(b"".join(map(tfrecord.frame, records)))
        media_id = example.context.feature[schema.MEDIA_ID].bytes_list.value[0].decode()
        return f"record {index} ({media_id}) of shard {path}"

    return damage


@pytest.fixture(scope="session")
def tiny_config(sample_shards):
    """A function: the sample preset at a small width, every stage two steps of two clips, with changes."""
    from tsd_tf.config import Stage, sample

    def make(**changes):
        return dataclasses.replace(
            sample(),
            **{
                "data_dir": str(sample_shards),
                "num_frames": 8,
                "num_distilled_frames": 5,
                "main_network_width": 0.03,
                "embedding_channels": 8,
                "coarse_size": 32,
                "logit_scale": 1 / 32,
                "random_flip": False,
                "mobilenet_weights": "none",
                "stages": (
                    Stage("tsd_stage1", "client", 2, 0.03, batch_size=2),
                    Stage("tsd_stage2", "network", 2, 0.01, batch_size=2),
                ),
                **changes,
            },
        )

    return make


@pytest.fixture(scope="session")
def gradients():
    """A function: gradients of `loss(layer(*inputs, **arguments))` by variable path, on every backend."""
    import keras

    def by_path(layer, loss, *inputs, **arguments):
        variables = layer.trainable_variables
        if keras.backend.backend() == "jax":
            import jax

            others = [variable.value for variable in layer.non_trainable_variables]

            def value(trainable):
                return loss(layer.stateless_call(trainable, others, *inputs, **arguments)[0])

            # Compiled whole: one by one, the operations of a deep network take minutes to compile.
            values = jax.jit(jax.grad(value))([variable.value for variable in variables])
        elif keras.backend.backend() == "torch":
            layer.zero_grad()
            loss(layer(*inputs, **arguments)).backward()
            values = [variable.value.grad for variable in variables]
        else:
            import tensorflow as tf

            with tf.GradientTape() as tape:
                result = loss(layer(*inputs, **arguments))
            values = tape.gradient(result, [variable.value for variable in variables])
        return {
            variable.path: None if value is None else keras.ops.convert_to_numpy(value)
            for variable, value in zip(variables, values, strict=True)
        }

    return by_path


@pytest.fixture(scope="session")
def exported(tmp_path_factory, tiny_config):
    """A tiny I3D+TSD, exported: its network, config, labels, clips (uint8, from shards), folder, sidecar and report."""
    import types

    import keras
    import numpy as np

    from tsd_tf.data.preprocessing import to_network_input
    from tsd_tf.export import exporter, real_clips
    from tsd_tf.network_builder import build_network

    config = tiny_config(initializer_stddev=0.4, logit_scale=1.0, num_distilled_frames=4)
    keras.utils.set_random_seed(0)
    network = build_network(config)
    clips, source = real_clips.clips_to_check(config, config.data_dir, 3)
    representative, calibration = real_clips.representative_clips(config, config.data_dir, 3, 3)
    # Statistics as after a training: P differs from frame to frame, answers from clip to clip, and batch norm is no
    # identity.
    inputs = to_network_input(clips)
    for _ in range(20):
        network.selector.encode_frames(to_network_input(clips.reshape(-1, *clips.shape[2:])), training=True)
    for _ in range(20):
        network.main_network(network.client(inputs), training=True)
    draw = np.random.default_rng(0)
    for variable in network.main_network.non_trainable_variables:
        if "moving" in variable.path:
            variable.assign(variable * draw.uniform(0.5, 1.5, variable.shape))
    labels = [f"class {index}" for index in range(config.num_classes)]
    folder = tmp_path_factory.mktemp("export")
    sidecar, report = exporter.export(network, config, labels, folder, clips, representative)
    return types.SimpleNamespace(**{key: value for key, value in locals().items() if key != "tmp_path_factory"})


@pytest.fixture(scope="session")
def server(exported):
    """The exported cloud half on free ports: `server.address` of gRPC, `server.url` of REST."""
    from tsd_tf.serving.server import BackgroundServer

    with BackgroundServer(exported.folder / "cloud", labels={"stable": 1}) as running:
        yield running


@pytest.fixture(scope="session")
def save_model():
    """A function: writes a SavedModel whose logits are the mean levels of the red of each frame."""
    import tensorflow as tf

    def save(folder, num_frames=4, size=16):
        class Model(tf.Module):
            @tf.function(input_signature=[tf.TensorSpec([None, num_frames, size, size, 3], tf.uint8, "frames")])
            def answer(self, frames):
                logits = tf.reduce_mean(tf.cast(frames, tf.float32), axis=[2, 3])[..., 0] / 16
                probabilities = tf.nn.softmax(logits)
                classes = tf.strings.as_string(tf.argsort(logits, direction="DESCENDING"))
                return {"logits": logits, "probabilities": probabilities, "classes": classes}

        model = Model()
        tf.saved_model.save(model, str(folder), signatures={"serving_default": model.answer})

    return save


@pytest.fixture(scope="session")
def small_model(tmp_path_factory, save_model):
    """A model folder whose version 1 takes clips of 4 frames of 16 x 16."""
    folder = tmp_path_factory.mktemp("model")
    save_model(folder / "1")
    return folder
