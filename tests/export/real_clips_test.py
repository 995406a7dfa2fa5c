import pathlib
import shutil

import numpy as np
import pytest

from tsd_tf.contract.errors import UserError
from tsd_tf.export import real_clips
from tsd_tf.video.video_writing import write_video

pytestmark = pytest.mark.slow


def _common(clips, others):
    return {clip.tobytes() for clip in clips} & {clip.tobytes() for clip in others}


def test_without_shards_there_is_one_line(tiny_config, tmp_path):
    message = f"checked on real clips, and there are not enough in {tmp_path}: .*Give a `data_dir` .* or `videos`"
    with pytest.raises(UserError, match=message):
        real_clips.clips_to_check(tiny_config(), str(tmp_path), 2)
    with pytest.raises(UserError, match=message):
        real_clips.representative_clips(tiny_config(), str(tmp_path), 2, 2)


def test_damaged_videos_are_passed_over(tiny_config, sample_shards, damage_record, tmp_path, capsys):
    shutil.copytree(sample_shards, tmp_path, dirs_exist_ok=True)
    for shard in tmp_path.glob("train-*"):
        shard.unlink()
    config = tiny_config()
    whole, _ = real_clips.clips_to_check(config, tmp_path, 6)
    name = damage_record(tmp_path, "test", index=1)  # the third that is read: the shards take turns
    clips, _ = real_clips.clips_to_check(config, tmp_path, 3)
    np.testing.assert_array_equal(clips, whole[[0, 1, 3]])
    assert f"damaged, left out: {name}" in capsys.readouterr().err
    # The videos behind the fourth: none is in both.
    assert len(real_clips.representative_clips(config, tmp_path, 5, 3)[0]) == 2


def test_other_clips_give_the_ranges(tiny_config, sample_shards, tmp_path):
    config = tiny_config()
    clips, source = real_clips.clips_to_check(config, str(sample_shards), 3)
    others, calibration = real_clips.representative_clips(config, str(sample_shards), 5, 3)
    assert (source, calibration) == (f"{sample_shards} (test)", f"{sample_shards} (train)")
    assert (len(clips), len(others)) == (3, 5)
    assert not _common(clips, others)
    # Without training shards they are other videos of the test shards.
    for shard in pathlib.Path(sample_shards).iterdir():
        if not shard.name.startswith("train-"):
            (tmp_path / shard.name).symlink_to(shard)
    clips, _ = real_clips.clips_to_check(config, str(tmp_path), 3)
    others, source = real_clips.representative_clips(config, str(tmp_path), 3, 3)
    assert source == f"{tmp_path} (test)"
    assert len(others) == 3
    assert not _common(clips, others)


def _write(path, first, count):
    """Grey frames, 96 x 80, whose level tells their index: four levels an index."""
    levels = 4 * np.arange(first, first + count, dtype="uint8").reshape(-1, 1, 1, 1)
    write_video(path, np.broadcast_to(levels, (count, 80, 96, 3)), 25.0)


def test_clips_of_videos_follow_each_other(tiny_config, index_of, tmp_path):
    _write(tmp_path / "one.mp4", 0, 27)
    _write(tmp_path / "two.mp4", 30, 18)
    videos = [tmp_path / "one.mp4", tmp_path / "two.mp4"]
    clips, others = real_clips.clips_of_videos(tiny_config(), videos, 2, 10)
    assert clips.shape[1:] == others.shape[1:] == (8, 64, 64, 3)
    # Whole clips of eight frames: three of the first video, two of the second; the first and the last are to check on.
    np.testing.assert_allclose(index_of(clips)[:, 0], [0, 38], atol=1)
    np.testing.assert_allclose(index_of(others)[:, 0], [8, 16, 30], atol=1)
    np.testing.assert_allclose(index_of(others)[0], np.arange(8, 16), atol=1)
    clips, others = real_clips.clips_of_videos(tiny_config(), videos, 1, 2)
    assert (len(clips), len(others)) == (1, 2)


def test_videos_of_a_single_clip_are_too_little(tiny_config, tmp_path):
    _write(tmp_path / "one.mp4", 0, 12)
    with pytest.raises(UserError, match="`videos` must hold at least two clips of 8 frames.*Received: 1"):
        real_clips.clips_of_videos(tiny_config(), [tmp_path / "one.mp4"], 8, 32)
