"""Shards and videos that the tests write themselves, in which every frame tells its own index."""

import cv2
import numpy as np
import pytest

from tsd_tf.contract import schema
from tsd_tf.data import sequence_example, tfrecord

GREYS = 4  # grey levels between two indices: more than JPEG loses on a flat picture


@pytest.fixture
def write_shards(tmp_path):
    """Writes train shards; frame i of a video is all grey of level 4 i.

    Args of the function: num_frames, a list of lists: for each shard the lengths of its videos; the size of frames;
    labels, by video, all 0 by default.
    Its value: (paths, {media_id: number of frames}); media ids are "0", "1", ... in the order of the shards.
    """

    def write(num_frames, size=(24, 32), labels=None):
        lengths, paths = {}, []
        for index, shard in enumerate(num_frames):
            records = []
            for length in shard:
                media_id = str(len(lengths))
                lengths[media_id] = length
                context = {
                    schema.MEDIA_ID: media_id,
                    schema.LABEL_INDEX: labels[int(media_id)] if labels else 0,
                }
                jpegs = [jpeg(np.full((*size, 3), GREYS * i, np.uint8)) for i in range(length)]
                records.append(sequence_example.encode(context, {schema.IMAGE_ENCODED: jpegs}))
            paths.append(tmp_path / f"train-{index:05d}-of-{len(num_frames):05d}")
            paths[-1].write_bytes(b"".join(map(tfrecord.frame, records)))
        return [str(path) for path in paths], lengths

    return write


def jpeg(picture):
    return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
