import numpy as np
import pytest

from tsd_tf.client.clip_encoder import ClipEncoder
from tsd_tf.client.connection import UnknownSignatureError
from tsd_tf.contract import signatures
from tsd_tf.contract.errors import UserError
from tsd_tf.programs import client
from tsd_tf.video import clip_coding, codec, picture_files

_SHAPE = (3, 64, 64)
_UNKNOWN = UnknownSignatureError("server:1 refused the request: no such signature")


@pytest.fixture(scope="module")
def frames():
    ramp = np.linspace(0, 200, 64).astype("uint8")
    return np.stack([np.tile((ramp + 20 * index)[:, None], (1, 64, 3)).reshape(64, 64, 3) for index in range(3)])


def _name(clip):
    return clip.inputs[signatures.CODEC][0].decode() if clip.signature == signatures.CODED else clip.signature


def test_h264_is_the_default(frames):
    notes = []
    order = np.array([2, 0, 1])
    clip = ClipEncoder(_SHAPE, note=notes.append).encode(frames, order)
    assert (_name(clip), notes) == ("h264", [])
    received = codec.decode_inputs(clip.inputs, _SHAPE)[0]
    assert np.abs(received.astype(int) - frames).mean() < 3


@pytest.mark.parametrize("name", codec.CODECS)
def test_what_is_asked_for_is_done(frames, name):
    notes = []
    encoder = ClipEncoder(_SHAPE, name, note=notes.append)
    expected = {"jpeg": "jpeg", "png": "jpeg", "raw": "serving_default"}.get(name, name)
    assert (_name(encoder.encode(frames, np.arange(3))), encoder.codec, notes) == (expected, name, [])


def test_the_program_offers_all_codecs():
    assert tuple(client.FLAGS["codec"].parser.enum_values) == codec.CODECS


def test_in_place_of_hardware_steps_the_codecs_own_encoder(frames):
    notes = []
    encoder = ClipEncoder(_SHAPE, "hevc", 20, "p4", "hevc_nowhere", notes.append)
    assert notes == ["FFmpeg has no encoder hevc_nowhere here; distilled frames travel as hevc of another encoder"]
    clip = encoder.encode(frames, np.arange(3))
    assert clip.inputs[signatures.PACKETS][0].tolist() == clip_coding.encode(frames, "hevc", 20)


def test_in_place_of_a_missing_codec_steps_jpeg(frames, monkeypatch):
    own = clip_coding.VIDEO_CODECS["av1"]
    monkeypatch.setitem(
        clip_coding.VIDEO_CODECS, "av1", clip_coding.VideoCodec(**{**vars(own), "encoder": "av1_nowhere"})
    )
    notes = []
    encoder = ClipEncoder(_SHAPE, "av1", 40, encoder="av1_elsewhere", note=notes.append)
    assert [note.partition(";")[0] for note in notes] == [
        "FFmpeg has no encoder av1_elsewhere here",
        "FFmpeg has no encoder av1_nowhere here",
    ]
    clip = encoder.encode(frames, np.arange(3))
    assert clip.inputs["frames_bytes"][0].tolist() == [picture_files.encode(frame, "jpeg", 90) for frame in frames]


def test_a_server_without_a_gateway_gets_jpeg_and_one_line(frames):
    notes = []
    encoder = ClipEncoder(_SHAPE, quality=30, note=notes.append)
    for _ in range(2):  # clips under way come back as well
        encoder.give_up_coded(_UNKNOWN)
    assert len(notes) == 1
    assert notes[0].startswith("the server takes no h264 without a gateway")
    assert encoder.codec == "jpeg"
    assert encoder.encode(frames, np.arange(3)).num_bytes == codec.encode(frames, "jpeg", 90).num_bytes


@pytest.mark.parametrize("name", ["h264", "webp"])
def test_a_codec_that_was_asked_for_is_not_given_up(name):
    message = (
        rf"no such signature; for `codec` {name} a gateway \(python -m tsd_tf.gateway\) must stand before the server"
    )
    with pytest.raises(UserError, match=message):
        ClipEncoder(_SHAPE, name).give_up_coded(_UNKNOWN)


def test_wrong_settings_are_told_at_once():
    for arguments, message in (
        (("mp3",), "`codec` must be one of h264, hevc, av1, vp9, webp, jpeg, png, raw. Received: codec=mp3"),
        (("jpeg", 0), r"`quality` of jpeg must be from 1 to 100 \(best\). Received: quality=0"),
        (("vp9", 64), r"`quality` of vp9 must be from 0 \(best\) to 63. Received: quality=64"),
        ((None, None, "warp"), "Received: quality=24, preset=warp"),
        (("png", None, "slow"), "`preset` and `encoder` are of video codecs: h264, .* Received: codec=png"),
        (("h264", None, None, "libx265"), "`encoder` must be one of `codec` h264"),
    ):
        with pytest.raises(UserError, match=message):
            ClipEncoder(_SHAPE, *arguments)
