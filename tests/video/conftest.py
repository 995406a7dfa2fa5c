"""Videos whose frames tell their own indices, as the shards of tests/data do."""

import cv2
import numpy as np
import pytest

GREYS = 4  # grey levels between two indices


@pytest.fixture
def write_video(tmp_path):
    """Writes a video, JPEGs in a container, whose frame i is all grey of level 4 i; returns its path."""

    def write(name, num_frames, frame_rate=25.0, size=(48, 64), fourcc="MJPG", paint=None):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*fourcc), frame_rate, (size[1], size[0]))
        for i in range(num_frames):
            writer.write(np.full((*size, 3), GREYS * i % 256, np.uint8) if paint is None else paint(i))
        writer.release()
        return path

    return write
