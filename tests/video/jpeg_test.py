import cv2
import numpy as np
import pytest

from tsd_tf.video import jpeg

PICTURE = np.random.default_rng(0).integers(0, 256, (37, 300, 3), "uint8")


def encode(picture, *options):
    return cv2.imencode(".jpg", picture, options)[1].tobytes()


@pytest.mark.parametrize("options", [(), (cv2.IMWRITE_JPEG_PROGRESSIVE, 1), (cv2.IMWRITE_JPEG_RST_INTERVAL, 1)])
def test_size(options):
    assert jpeg.size(encode(PICTURE, *options)) == (37, 300)
    assert jpeg.size(encode(PICTURE[..., 0], *options)) == (37, 300)


def test_size_behind_a_comment_and_padding():
    picture = encode(PICTURE)
    comment = b"\xff\xfe\x00\x05abc"
    assert jpeg.size(picture[:2] + comment + b"\xff\xff" + picture[2:]) == (37, 300)


def test_pictures_with_one_header_are_of_one_size():
    assert encode(255 - PICTURE).startswith(jpeg.header(encode(PICTURE)))
    assert not encode(PICTURE[1:]).startswith(jpeg.header(encode(PICTURE)))


@pytest.mark.parametrize(
    "content", [b"", b"x" * 100, encode(PICTURE)[:100], b"\xff\xd8", b"\xff\xd8\xff\xfe\xff\xffabc"]
)
def test_what_is_none(content):
    with pytest.raises(ValueError, match="no JPEG"):
        jpeg.size(content)
