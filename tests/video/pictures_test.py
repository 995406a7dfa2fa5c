import os

import cv2
import numpy as np
import pytest

from tsd_tf.contract.errors import UserError
from tsd_tf.video import pictures


def test_frames_lie_beside_and_rows_below_each_other():
    clips = [np.arange(2 * 3 * 4 * 3, dtype="uint8").reshape(2, 3, 4, 3) + 100 * index for index in range(2)]
    picture = pictures.rows_of_frames(clips)
    assert picture.shape == (6, 8, 3)
    np.testing.assert_array_equal(picture[:3, 4:], clips[0][1])
    np.testing.assert_array_equal(picture[3:, :4], clips[1][0])


def test_uniform_frames_distilled_ones_and_p():
    frames = np.stack([np.full((16, 8, 3), 10 * time, "uint8") for time in range(4)])
    distilled = np.stack([np.full((16, 8, 3), 200 + index, "uint8") for index in range(2)])
    matrix = np.array([[0.0, 0.2], [1.0, 0.2], [0.0, 0.2], [0.0, 0.4]])
    picture = pictures.distilled_beside_uniform(frames, distilled, matrix)
    assert picture.shape == (16 + 2 + 16 + 2 + 4, 16, 3)
    assert picture.dtype == np.uint8
    assert (picture[:16, :8] == 0).all()  # frame 0 of 4
    assert (picture[:16, 8:] == 20).all()  # frame 2
    assert (picture[16:18] == 255).all()
    np.testing.assert_array_equal(picture[18:34, 8:], distilled[1])
    heat = picture[-1, :, 0]
    np.testing.assert_array_equal(heat[:8], [0, 0, 255, 255, 0, 0, 0, 0])
    np.testing.assert_array_equal(heat[8:], [51, 51, 51, 51, 51, 51, 102, 102])


def test_files(tmp_path):
    picture = np.arange(16 * 8 * 3, dtype="uint8").reshape(16, 8, 3)
    path = tmp_path / os.fsdecode(b"caf\xe9.PNG")  # names of files need not be UTF-8
    pictures.write(path, picture)
    found = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    np.testing.assert_array_equal(cv2.cvtColor(found, cv2.COLOR_BGR2RGB), picture)
    with pytest.raises(UserError, match="a picture of 70000 x 1 pixels cannot be written"):
        pictures.write(tmp_path / "wide.jpg", np.zeros((1, 70000, 3), np.uint8))
    with pytest.raises(UserError, match="ends in .png or .jpg, got x.bmp"):
        pictures.write("x.bmp", picture)
    assert list(tmp_path.iterdir()) == [path]
