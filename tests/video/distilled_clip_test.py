"""Clips, P and distilled frames as files."""

import numpy as np
import pytest

from tsd_tf.contract.errors import UserError
from tsd_tf.video import distilled_clip
from tsd_tf.video.distilled_clip import DistilledClip


def test_what_is_written_is_read(tmp_path):
    draw = np.random.default_rng(0)
    written = [
        DistilledClip(
            start,
            draw.integers(0, 256, (6, 8, 8, 3), dtype=np.uint8),
            draw.random((6, 2), dtype=np.float32),
            draw.integers(0, 256, (2, 8, 8, 3), dtype=np.uint8),
        )
        for start in (0, 4, 10)
    ]
    path = tmp_path / "folder/clips.npz"
    distilled_clip.write(path, written)
    for old, new in zip(written, distilled_clip.read(path), strict=True):
        assert (type(new.start), new.start) == (int, old.start)
        for name in ("frames", "transformation_matrix", "distilled_frames"):
            found = getattr(new, name)
            assert found.dtype == getattr(old, name).dtype
            np.testing.assert_array_equal(found, getattr(old, name))


def test_another_file_is_refused_by_name(tmp_path):
    path = tmp_path / "notes.npz"
    for contents in (b"", b"no arrays", b"PK\x03\x04 no archive"):
        path.write_bytes(contents)
        with pytest.raises(UserError, match="notes.npz holds no clips of a client"):
            distilled_clip.read(path)
    np.save(tmp_path / "array.npy", np.zeros(3))
    with pytest.raises(UserError, match="array.npy holds no clips of a client"):
        distilled_clip.read(tmp_path / "array.npy")
    np.savez(path, frames=np.zeros(3))
    with pytest.raises(UserError, match="notes.npz holds no clips of a client"):
        distilled_clip.read(path)
