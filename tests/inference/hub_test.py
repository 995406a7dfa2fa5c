"""Networks to and from the Hub: a local stand-in of it, asked by huggingface_hub itself."""

import dataclasses
import importlib.util
import json
import pathlib
import sys

import h5py
import numpy as np
import pytest
import yaml

import tsd_tf
from tsd_tf.contract.errors import UserError
from tsd_tf.inference import hub
from tsd_tf.network_builder import build_network
from tsd_tf.weights.hdf5 import check_plain
from tsd_tf.work_directory import WorkDirectory

constants = pytest.importorskip("huggingface_hub.constants")

_spec = importlib.util.spec_from_file_location("hub_stand_in", pathlib.Path(__file__).with_name("hub_stand_in.py"))
hub_stand_in = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(hub_stand_in)

pytestmark = pytest.mark.slow

LABELS = ["kick", "jump", "roll"]


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory):
    with hub_stand_in.HubStandIn() as server, pytest.MonkeyPatch.context() as patch:
        for name, value in (
            ("ENDPOINT", server.url),
            ("HUGGINGFACE_CO_URL_TEMPLATE", server.url + "/{repo_id}/resolve/{revision}/{filename}"),
            ("HF_HUB_CACHE", str(tmp_path_factory.mktemp("cache"))),
            ("HF_HUB_DISABLE_XET", True),  # whose servers are not stood in for; weights go by LFS
            ("HF_HUB_OFFLINE", False),
            ("HF_TOKEN_PATH", "/nonexistent"),
        ):
            patch.setattr(constants, name, value)
        patch.setenv("HF_TOKEN", hub_stand_in.TOKEN)
        yield server


@pytest.fixture(scope="module")
def config():
    """A network that is built in no time: uniform frames before a narrow ResNet."""
    return dataclasses.replace(
        tsd_tf.config.sample("i3d_e"),
        main_network="resnet3d_18",
        main_network_width=0.02,
        num_classes=3,
        num_frames=6,
        num_distilled_frames=3,
        crop_size=24,
        short_side=32,
        data_dir="/home/me/private",
    )


@pytest.fixture(scope="module")
def network(config):
    return build_network(config)


@pytest.fixture(scope="module")
def run(tmp_path_factory, config, network):
    folder = tmp_path_factory.mktemp("run")
    checkpoint = folder / "checkpoints/step_00000001"
    checkpoint.mkdir(parents=True)
    network.save_weights(checkpoint / "network.weights.h5")
    (folder / "config.json").write_text(config.to_json())
    (folder / "labels.txt").write_text("".join(f"{label}\n" for label in LABELS))
    return folder


@pytest.fixture(scope="module")
def model(run):
    return tsd_tf.load(run)


@pytest.fixture(scope="module")
def commit(stand_in, model):
    """A function: makes the newest commit of hf://me/hostile what was pushed there, but for some files."""
    model.push("hf://me/hostile")
    commits = stand_in.repositories["me/hostile"]

    def change(files):
        changed = {**commits[0], **files}
        commits.append({name: contents for name, contents in changed.items() if contents is not None})

    return change


def test_what_was_pushed_is_loaded_as_it_was(stand_in, model, frames):
    address = model.push("hf://me/kicks", private=True)
    assert address == f"{stand_in.url}/me/kicks/commit/{hub_stand_in.sha_of(0)}"
    assert stand_in.private == {"me/kicks"}
    assert any(method == "PUT" for method, _ in stand_in.requests)
    (files,) = stand_in.repositories["me/kicks"]
    assert set(files) == {"config.json", "labels.txt", "network.weights.h5", "README.md"}
    assert b"private" not in files["config.json"]
    for name in ("hf://me/kicks", f"hf://me/kicks@{hub_stand_in.sha_of(0)}"):
        again = tsd_tf.load(name)
        assert (again.name, again.labels, again.clip_format) == (name, model.labels, model.clip_format)
        expected = model.predict(frames).probabilities
        np.testing.assert_allclose(again.predict(frames).probabilities, expected, atol=1e-6)
    with pytest.raises(UserError, match="this model is of no run: load a work directory"):
        again.push("hf://me/kicks")
    model.push("hf://me/kicks")
    assert len(stand_in.repositories["me/kicks"]) == 2


def test_its_card_states_what_it_is_and_what_was_tested(stand_in, model, run, config, network):
    result = {
        "format": 1, "clips": 3, "videos": 600, "top1": 0.5613, "top1_standard_error": 0.02, "source": "work directory",
        "dataset": "sample", "method": "i3d_e", "main_network": "resnet3d_18", "split": "test", "split_of_ucf101": None,
        "num_frames": 6, "num_distilled_frames": 3, "bytes_per_clip": {"raw": 1.0},
        "configuration": json.loads(config.to_json()),
    }  # fmt: skip
    model.push("hf://me/tested")
    assert "Not tested." in stand_in.repositories["me/tested"][-1]["README.md"].decode()
    newest = WorkDirectory(run).checkpoint().name
    for name, checkpoint, top1 in (("clips3", newest, 0.5613), ("clips1", "step_00000099", 0.1234)):
        tested = {**result, "checkpoint": checkpoint, "top1": top1}
        (run / f"evaluation_test_T6_Ts3_{name}.json").write_text(json.dumps(tested))
    model.push("hf://me/tested")
    card = stand_in.repositories["me/tested"][-1]["README.md"].decode()
    metadata = yaml.safe_load(card.split("---\n")[1])
    assert metadata == {
        "library_name": "keras",
        "pipeline_tag": "video-classification",
        "tags": ["action-recognition", "tsd_tf"],
    }
    words = " ".join(card.split())
    count = sum(int(np.prod(variable.shape)) for variable in network.main_network.trainable_variables)
    for part in (
        "which of 3 actions happens in a clip of 6 frames, from 3 of them: ResNet3D-18_E of",
        'tsd_tf.load("hf://me/tested")',
        f"0 of the client half, {count:,} of the cloud half, 0.02 of the paper's channels",
        "| test | 600 | 3 | 56.1% | 2.0% |",
        "| sampling | 450 | 16 | adam |",
        "kick, jump, roll",
    ):
        assert part in words
    assert "12.3%" not in words  # of another checkpoint


def test_what_the_hub_says_is_one_line(stand_in, model, monkeypatch):
    with pytest.raises(
        UserError, match=r"found no hf://me/nothing at http://127.0.0.1:\d+; if it is private, `hf auth"
    ):
        tsd_tf.load("hf://me/nothing")
    with pytest.raises(UserError, match=r"http://127.0.0.1:\d+ refuses hf://you/it: You don't have the rights"):
        model.push("hf://you/it")
    with pytest.raises(UserError, match=r"http://127.0.0.1:\d+ answers with something else than the Hub does: JSON"):
        tsd_tf.load("hf://portal/it")
    model.push("hf://me/said")
    with pytest.raises(UserError, match="^hf://me/said@old has no such branch, tag or commit$"):
        tsd_tf.load("hf://me/said@old")
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(UserError, match=r"refuses hf://me/said: Invalid username or password"):
        model.push("hf://me/said")
    for name in ("hf://kicks", "hf://me/kicks/more", "hf://me/kicks@", "hf://me/--kicks"):
        with pytest.raises(UserError, match="has the form hf://user/name|is no name on the Hub"):
            tsd_tf.load(name)


def test_without_network_or_package_it_says_so(stand_in, run, monkeypatch):
    model = tsd_tf.load(run)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    for ask in (lambda: tsd_tf.load("hf://me/kicks"), lambda: model.push("hf://me/kicks")):
        with pytest.raises(UserError, match=r"^cannot reach http://127.0.0.1:9 for hf://me/kicks: .*refused"):
            ask()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match="hf://me/kicks was not looked for: HF_HUB_OFFLINE is set"):
        tsd_tf.load("hf://me/kicks")
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(UserError, match=r"needs huggingface_hub, which is not installed: pip install 'tsd_tf\[hub\]'"):
        tsd_tf.load("hf://me/kicks")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"main_network": "os:system"}, "`main_network` must be a part of tsd_tf: code is not shared by the Hub"),
        ({"method": "own:Selector"}, "`method` must be a part of tsd_tf"),
        ({"augmentations": ["grey", "own:augment"]}, "`augmentations` must be a part of tsd_tf"),
        ({"augmentation": "own:augment"}, "there is no field 'augmentation'"),
        ({"main_network_width": 1e6}, "`main_network_width` must be positive and at most 4. Received: .*=1000000.0"),
        ({"num_classes": 10**12}, "`num_classes` must be positive and at most 100,000"),
        ({"num_classes": 4}, "does not fit the FewFrameNetwork"),
        ({"dropout_rate": "much"}, "expected a number in 'dropout_rate', got \"much\""),
        ({"no_field": 1}, "not a configuration of this version"),
    ],
)
def test_hostile_configurations_are_refused(stand_in, commit, changes, words):
    config = json.loads(stand_in.repositories["me/hostile"][0]["config.json"])
    commit({"config.json": json.dumps({**config, **changes}).encode()})
    with pytest.raises(UserError, match=f"^hf://me/hostile: .*{words}"):
        tsd_tf.load("hf://me/hostile")


def test_a_configuration_that_nests_without_end_is_refused(stand_in, commit):
    commit({"config.json": b"[" * 100_000})
    with pytest.raises(UserError, match="^hf://me/hostile: "):
        tsd_tf.load("hf://me/hostile")


def test_files_are_taken_by_name_and_size(stand_in, commit, monkeypatch):
    commit({"evil.pkl": b"cos\nsystem\n"})
    tsd_tf.load("hf://me/hostile")
    fetched = {path.rpartition("/")[2] for _, path in stand_in.requests if "/resolve/" in path}
    assert fetched == {"config.json", "labels.txt", "network.weights.h5"}
    commit({"labels.txt": b"kick\n" * (1 << 18)})
    with pytest.raises(
        UserError, match=r"hf://me/hostile: expected at most 1,048,576 bytes in labels.txt, got 1310720"
    ):
        tsd_tf.load("hf://me/hostile")
    monkeypatch.setitem(stand_in.stated_sizes, "labels.txt", 5)
    with pytest.raises(UserError, match="hf://me/hostile: labels.txt is larger than the Hub says"):
        tsd_tf.load("hf://me/hostile")
    monkeypatch.setitem(stand_in.stated_sizes, "labels.txt", None)
    with pytest.raises(UserError, match="expected at most 1,048,576 bytes in labels.txt, got None"):
        tsd_tf.load("hf://me/hostile")
    monkeypatch.delitem(stand_in.stated_sizes, "labels.txt")
    commit({"network.weights.h5": None})
    with pytest.raises(UserError, match=r"holds no network.weights.h5: expected a repository that `push` of tsd_tf"):
        tsd_tf.load("hf://me/hostile")


def test_names_of_classes_are_no_commands_to_a_terminal(commit):
    commit({"labels.txt": b"kick\x1b[2J\njump\nroll\n"})
    assert tsd_tf.load("hf://me/hostile").labels == ("kick\\x1b[2J", "jump", "roll")


def hostile_files(folder):
    """{what is wrong: a file of weights with that}."""
    secret = folder / "secret.bin"
    secret.write_bytes(b"\0" * 64)
    with h5py.File(folder / "other.h5", "w") as file:
        file["array"] = np.zeros(4)
    makers = {
        "a link, layers": lambda file: file.__setitem__("layers", h5py.ExternalLink("other.h5", "/array")),
        "a link, soft": lambda file: file.__setitem__("soft", h5py.SoftLink("/")),
        "a link, again": lambda file: file.__setitem__("again", file["/"]),
        "does not lie in the file as it is: stolen": lambda file: file.create_dataset(
            "stolen", (8,), "float64", external=[(str(secret), 0, 64)]
        ),
        "does not lie in the file as it is: bomb": lambda file: file.create_dataset(
            "bomb", (1 << 40,), "float32", chunks=(1 << 10,), compression="gzip"
        ),
        "does not lie in the file as it is: empty": lambda file: file.create_dataset("empty", (1 << 40,), "float32"),
        "something else than numbers: text": lambda file: file.create_dataset("text", data="words"),
    }
    for number, (words, make) in enumerate(makers.items()):
        path = folder / f"hostile{number}.h5"
        with h5py.File(path, "w") as file:
            make(file.create_group("group") if "bomb" in words else file)
        yield words, path


def test_weights_that_are_no_plain_arrays_are_refused(commit, network, tmp_path):
    network.save_weights(tmp_path / "plain.weights.h5")
    check_plain(tmp_path / "plain.weights.h5")
    for words, path in hostile_files(tmp_path):
        with pytest.raises(UserError, match=words):
            check_plain(path)
        commit({"network.weights.h5": path.read_bytes()})
        with pytest.raises(UserError, match=f"^hf://me/hostile: .*{words}"):
            tsd_tf.load("hf://me/hostile")
    (tmp_path / "none.h5").write_bytes(b"no weights")
    with pytest.raises(UserError, match=r"none.h5 is not an HDF5 file of weights"):
        check_plain(tmp_path / "none.h5")


def test_parts_of_ones_own_are_not_pushed(stand_in, network, config):
    own = dataclasses.replace(config, main_network="own:network")
    with pytest.raises(UserError, match="`main_network` must be a part of tsd_tf: code is not shared by the Hub"):
        hub.upload("hf://me/it", network, own, tuple(LABELS), "---\n---\n", False)
    assert "me/it" not in stand_in.repositories
