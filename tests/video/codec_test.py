import cv2
import numpy as np
import pytest

from tsd_tf.contract.errors import UserError
from tsd_tf.video import codec, pictures


@pytest.fixture(scope="module")
def frames():
    ramp = np.linspace(0, 255, 32)
    red = np.stack([np.tile(ramp, (32, 1)), np.tile(ramp[:, None], (1, 32)), np.zeros((32, 32))], -1)
    return np.stack([red, red[::-1]]).astype("uint8")


def test_raw_is_the_frames(frames):
    signature, name, tensor, num_bytes = codec.encode(frames, "raw")
    assert (signature, name, num_bytes) == ("serving_default", "frames", 2 * 32 * 32 * 3)
    np.testing.assert_array_equal(tensor, frames[None])


@pytest.mark.parametrize(("name", "tolerance"), [("png", 0), ("jpeg", 12)])
def test_pictures_are_rgb(frames, name, tolerance):
    signature, key, tensor, num_bytes = codec.encode(frames, name)
    assert (signature, key, tensor.shape) == ("jpeg", "frames_bytes", (1, 2))
    assert num_bytes == sum(len(picture) for picture in tensor[0])
    for picture, frame in zip(tensor[0], frames, strict=True):
        decoded = cv2.cvtColor(cv2.imdecode(np.frombuffer(picture, "uint8"), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
        assert np.abs(decoded.astype(int) - frame).max() <= tolerance


def test_quality_costs_bytes(frames):
    assert codec.encode(frames, "jpeg", 30)[3] < codec.encode(frames, "jpeg", 95)[3]


def test_distilled_frames_as_a_picture(frames, tmp_path):
    pictures.write(tmp_path / "new/frames.png", pictures.rows_of_frames([frames, frames[::-1]]))
    picture = cv2.cvtColor(cv2.imread(str(tmp_path / "new/frames.png")), cv2.COLOR_BGR2RGB)
    np.testing.assert_array_equal(picture[:32, 32:], frames[1])
    np.testing.assert_array_equal(picture[32:, 32:], frames[0])
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["frames.png"]
    with pytest.raises(UserError, match="expected a picture.s name that ends in .png or .jpg"):
        pictures.write(tmp_path / "frames.txt", frames[0])
