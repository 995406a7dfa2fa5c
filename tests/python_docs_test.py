"""docs/python.md: its blocks do what it says, one after the other."""

import pathlib
import re
import shutil
import webbrowser

import numpy as np
import pytest

import tsd_tf

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).resolve().parent.parent
TEXT = (ROOT / "docs/python.md").read_text()


@pytest.fixture(scope="module")
def names(tmp_path_factory, sample_shards, sample_videos):
    """What the blocks leave behind, run in a user's folder."""
    folder = tmp_path_factory.mktemp("user")
    (folder / "data").mkdir()
    (folder / "data/sample").symlink_to(sample_shards)
    (folder / "videos").mkdir()
    first, second = sorted((sample_videos / "test").rglob("*.mp4"))[:2]
    shutil.copy(first, folder / "video.mp4")
    shutil.copy(second, folder / "videos/other.mp4")
    blocks = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    assert len(blocks) == 6
    opened = []
    found = {"folder": folder, "opened": opened}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(webbrowser, "open", lambda address: opened.append(address) or True)
        for block in blocks:
            exec(compile(block, "docs/python.md", "exec"), found)
        yield found


def test_the_blocks_run(names):
    assert len(names["opened"]) == 1
    for file in ("result.png", "result.html", "result.npz", "why.png", "network.keras"):
        assert (names["folder"] / file).stat().st_size > 1000, file


def test_fit_trains_what_is_then_asked(names):
    network, trained = names["network"], names["trained"]
    (loss,) = network.history.history["loss"]
    assert np.isfinite(loss)
    optimizer = network.optimizer
    assert optimizer.iterations == 3
    moved = {
        variable.path: np.abs(momentum).max()
        for variable, momentum in zip(network.trainable_variables, optimizer._momentums, strict=True)
    }
    for part in ("conv1/kernel", "w_alpha/kernel", "w_beta/kernel", "Conv3d_1a_7x7/conv_3d/kernel", "Logits/kernel"):
        assert [momentum > 0 for path, momentum in moved.items() if path.endswith(part)] == [True], part
    again = tsd_tf.load(names["folder"] / "network.keras", labels=names["labels"])
    frames = np.random.default_rng(0).integers(0, 256, (30, 64, 64, 3), np.uint8)
    expected = trained.predict(frames).probabilities
    np.testing.assert_allclose(again.predict(frames).probabilities, expected, atol=1e-5)


def test_heat_is_of_the_class_that_was_asked_about(names):
    assert names["heat"].shape == names["heat_of_another"].shape == (1, 5, 64, 64)
    assert np.abs(names["heat"] - names["heat_of_another"]).max() > 0
