import cv2
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2

from tsd_tf.contract.errors import UnreadableVideoError, UserError
from tsd_tf.video import codec, picture_files, pictures


@pytest.fixture(scope="module")
def frames():
    ramp = np.linspace(0, 255, 32)
    red = np.stack([np.tile(ramp, (32, 1)), np.tile(ramp[:, None], (1, 32)), np.zeros((32, 32))], -1)
    return np.stack([red, red[::-1]]).astype("uint8")


def test_raw_is_the_frames(frames):
    signature, inputs = codec.encode(frames, "raw")
    assert signature == "serving_default"
    np.testing.assert_array_equal(inputs["frames"], frames[None])


@pytest.mark.parametrize(("name", "tolerance"), [("png", 0), ("jpeg", 12)])
def test_pictures_are_rgb(frames, name, tolerance):
    signature, inputs = codec.encode(frames, name)
    assert (signature, inputs["frames_bytes"].shape) == ("jpeg", (1, 2))
    for picture, frame in zip(inputs["frames_bytes"][0], frames, strict=True):
        decoded = cv2.cvtColor(cv2.imdecode(np.frombuffer(picture, "uint8"), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
        assert np.abs(decoded.astype(int) - frame).max() <= tolerance


def test_quality_costs_bytes(frames):
    assert codec.encode(frames, "jpeg", 30).num_bytes < codec.encode(frames, "jpeg", 95).num_bytes


@pytest.mark.parametrize("name", codec.CODECS)
def test_the_bytes_that_travel_are_those_of_the_request(frames, name):
    clip = codec.encode(frames, name)
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = "tsd", clip.signature
    request.output_filter.extend(["probabilities", "classes"])
    for key, array in clip.inputs.items():
        request.inputs[key].CopyFrom(tf.make_tensor_proto(array))
    assert clip.num_bytes == len(request.SerializeToString())


@pytest.mark.parametrize("name", [*codec.VIDEO_CODECS, "webp"])
def test_coded_clips_come_back_in_their_order(name):
    ramp = np.linspace(0, 100, 64).astype("uint8")
    grey = np.stack([np.tile(ramp, (64, 1)) + 50 * index for index in range(3)])
    frames = np.repeat(grey[..., None], 3, -1)
    signature, inputs = codec.encode(frames, name, order=np.array([2, 0, 1]))
    assert signature == "coded"
    both = {key: np.concatenate([value, value]) for key, value in inputs.items()}
    decoded = codec.decode_inputs(both, (3, 64, 64))
    assert decoded.shape == (2, 3, 64, 64, 3)
    assert np.abs(decoded.astype(int) - frames).max() <= 12


def _changed(**changes):
    clip = codec.encode(np.zeros((2, 16, 16, 3), "uint8"), "h264")
    return {key: value for key, value in (clip.inputs | changes).items() if value is not None}


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (_changed(order=None), "expected the inputs packets, codec, order, got codec, packets"),
        (_changed(codec=np.array([b"theora"], object)), "`codec` must be one of .* Received: codec=theora"),
        (_changed(codec=np.array([b"\xff"], object)), "Received: codec=\ufffd"),
        (
            _changed(codec=np.zeros(0, object)),
            "expected packets as strings .* for 0 clips",
        ),
        (_changed(codec=np.array(b"h264", object)), "expected codec as strings of rank 1, one entry a clip"),
        (_changed(codec=np.array([b"h264"] * 2, object)), "expected packets as strings .* for 2 clips"),
        (_changed(order=np.array([[0, 0]], "uint8")), "expected an order of 2 frames, got "),
        (_changed(order=np.array([[0]], "uint8")), "expected an order of 2 frames, got "),
        (_changed(order=np.array([[0.0, 1.0]], "float32")), "expected order as uint8 of rank 2"),
        (_changed(codec=np.array([b"webp"], object)), "expected 2 frames, got |expected a webp picture"),
    ],
)
def test_inputs_that_are_no_coded_clip(inputs, message):
    with pytest.raises(UserError, match=message):
        codec.decode_inputs(inputs, (2, 16, 16))


def test_an_order_that_does_not_fit_is_refused():
    with pytest.raises(UserError, match="at most 256 coded frames of a clip. Received: 257 frames"):
        codec.encode(np.zeros((257, 16, 16, 3), "uint8"), "webp")


def test_pictures_of_another_size_or_kind_are_refused():
    pictures = [picture_files.encode(np.zeros((16, 16, 3), "uint8"), kind) for kind in ("webp", "png")]
    for packets, name, message in (
        ([pictures[0]] * 2, "webp", "expected frames of 8 x 16 pixels, got 16 x 16|too large"),
        ([pictures[1]] * 2, "webp", "expected a webp picture"),
        ([pictures[0][:-9]] * 2, "webp", "damaged|too large"),
        ([pictures[0]], "webp", "expected 2 frames, got 1"),
    ):
        with pytest.raises(UnreadableVideoError, match=message):
            codec.decode(packets, name, [0, 1], (2, 16, 8))


def test_distilled_frames_as_a_picture(frames, tmp_path):
    pictures.write(tmp_path / "new/frames.png", pictures.rows_of_frames([frames, frames[::-1]]))
    picture = cv2.cvtColor(cv2.imread(str(tmp_path / "new/frames.png")), cv2.COLOR_BGR2RGB)
    np.testing.assert_array_equal(picture[:32, 32:], frames[1])
    np.testing.assert_array_equal(picture[32:, 32:], frames[0])
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["frames.png"]
    with pytest.raises(UserError, match="expected a picture.s name that ends in .png or .jpg"):
        pictures.write(tmp_path / "frames.txt", frames[0])
