"""The keys of a record: one clip as a tf.train.SequenceExample with MediaSequence's names.

Source: https://github.com/google-ai-edge/mediapipe/tree/master/mediapipe/util/sequence (media_sequence.py). DMVR and
TF Model Garden read the same names. Times are microseconds from the start of the source video.
"""

from collections.abc import Collection

# Context features, one value each.
DATA_PATH = "clip/data_path"  # bytes: the video file, relative to the folder of videos
MEDIA_ID = "clip/media_id"  # bytes: names the clip in manifests, errors and predictions
START_TIMESTAMP = "clip/start/timestamp"  # int64, microseconds
END_TIMESTAMP = "clip/end/timestamp"  # int64, microseconds
LABEL_INDEX = "clip/label/index"  # int64, from 0: the line in labels.txt; absent in an unlabelled clip
LABEL_STRING = "clip/label/string"  # bytes: the class name, for MediaSequence and TF Model Garden
LABEL_TEXT = "clip/label/text"  # bytes: the same, for DMVR
IMAGE_FORMAT = "image/format"  # bytes: "JPEG"
IMAGE_COLORSPACE = "image/colorspace"  # bytes: "RGB"
IMAGE_CHANNELS = "image/channels"  # int64: 3
IMAGE_HEIGHT = "image/height"  # int64, pixels
IMAGE_WIDTH = "image/width"  # int64, pixels
IMAGE_FRAME_RATE = "image/frame_rate"  # float, frames a second

# Feature lists, one step per frame.
IMAGE_ENCODED = "image/encoded"  # bytes: one JPEG
IMAGE_TIMESTAMP = "image/timestamp"  # int64, microseconds

# Files of a data folder.
LABELS_FILE = "labels.txt"  # one class name a line; the line number is the label, from 0
SHARD_NAME = "{split}-{index:05d}-of-{count:05d}"
MANIFEST_CSV = "manifest-{split}.csv"  # a line for each annotation row: what became of it
MANIFEST_JSON = "manifest-{split}.json"  # the build's settings, the counts, and records and bytes of every shard

_SHOWN_NAMES = 3


def missing_shards(split: str, count: int, names: Collection[str]) -> str:
    """Which shards of a split are not there, in words: how many, the first names, what to do; "" if all are there.

    Args:
        split: first part of the shards' names.
        count: how many there should be, as each name says.
        names: of those that are there.
    """
    promised = [SHARD_NAME.format(split=split, index=index, count=count) for index in range(count)]
    missing = [name for name in promised if name not in names]
    if not missing:
        return ""
    are, them = ("is", "it") if len(missing) == 1 else ("are", "them")
    shown = ", ".join(missing[:_SHOWN_NAMES]) + (", ..." if len(missing) > _SHOWN_NAMES else "")
    return f"{len(missing)} of {count} {split} shards {are} missing ({shown}): copy {them} again"
