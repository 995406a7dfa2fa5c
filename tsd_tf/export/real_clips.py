"""The clips that an export is checked on, and those that files in int8 take their ranges from."""

import itertools
import os
from collections.abc import Sequence

import numpy as np

from tsd_tf.config import Config
from tsd_tf.contract.errors import UserError
from tsd_tf.data.evaluation_clips import EvaluationClips
from tsd_tf.data.records import Records
from tsd_tf.data.shards import find_shards
from tsd_tf.video.isolated_decoder import IsolatedDecoder


def clips_to_check(config: Config, data_dir: str, count: int) -> tuple[np.ndarray, str]:
    """Clips of the test or validation shards.

    Args:
        config: says T and the sizes.
        data_dir: folder of the shards.
        count: of the clips, each of another video; there may be fewer.

    Returns:
        (uint8 (count, T, crop, crop, 3), where they come from).

    Raises:
        UserError: there are no such shards, or no clip in them.
    """
    return _clips(config, data_dir, ("test", "validate"), count)


def representative_clips(config: Config, data_dir: str, count: int, num_checked: int) -> tuple[np.ndarray, str]:
    """Clips for the ranges of files in int8; never those of `clips_to_check`.

    They are of the training shards; where there are none, of other videos of the test or validation shards.

    Args:
        config, data_dir, count: as for `clips_to_check`.
        num_checked: how many clips that function was asked for.

    Returns:
        (uint8 (count, T, crop, crop, 3), where they come from).

    Raises:
        UserError: there are none.
    """
    try:
        find_shards(data_dir, "train")
    except UserError:
        return _clips(config, data_dir, ("test", "validate"), count, skip=num_checked, seed=1)
    return _clips(config, data_dir, ("train",), count, seed=1)


def clips_of_videos(
    config: Config, videos: Sequence[str | os.PathLike], num_checked: int, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """What `clips_to_check` and `representative_clips` return, of video files, one clip after the other.

    Args:
        config: says T, the rate and the sizes.
        videos: files.
        num_checked, count: how many clips to check on, and for the ranges; there may be fewer.

    Returns:
        (uint8 (n, T, crop, crop, 3) to check on, evenly spread; others for the ranges).

    Raises:
        UserError: the videos hold fewer than two clips, or one cannot be read.
    """
    clips: list[np.ndarray] = []
    decoder = IsolatedDecoder()
    try:
        for video in videos:
            frames = decoder.frames(
                video,
                config.crop_size,
                config.square_pixels,
                frame_rate=config.frame_rate,
                short_side=config.short_side,
            )
            while len(clips) < num_checked + count:
                clip = list(itertools.islice(frames, config.num_frames))
                if len(clip) < config.num_frames:
                    break
                clips.append(np.stack(clip))
    finally:
        decoder.close()
    if len(clips) < 2:
        raise UserError(
            f"`videos` must hold at least two clips of {config.num_frames} frames: one to check the export on and one "
            f"for the ranges of int8. Received: {len(clips)}"
        )
    places = np.linspace(0, len(clips) - 1, min(num_checked, len(clips) // 2)).astype(int)
    others = [clip for place, clip in enumerate(clips) if place not in places]
    return np.stack([clips[place] for place in places]), np.stack(others)


def _clips(
    config: Config, data_dir: str, splits: Sequence[str], count: int, skip: int = 0, seed: int = 0
) -> tuple[np.ndarray, str]:
    for split in splits:
        try:
            shards = find_shards(data_dir, split)
        except UserError:
            continue
        # A damaged video is no reason not to export: the next one takes its place.
        records = Records(shards, damaged_share=1.0)
        with EvaluationClips(records, config.clip_spec, num_clips=1, batch_size=1, seed=seed) as batches:
            frames = [batch["frames"].numpy()[:, 0] for batch in itertools.islice(batches, skip, skip + count)]
        if frames:
            return np.concatenate(frames), f"{data_dir} ({split})"
    raise UserError(
        f"an export is checked on real clips, and there are not enough in {data_dir}: looked for shards of "
        f"{' or '.join(splits)} with more than {skip} videos. Give a `data_dir` that has them, or `videos`"
    )
