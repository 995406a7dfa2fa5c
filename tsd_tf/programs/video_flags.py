"""The flags about videos that builders and client share."""

from absl import flags

FRAME_FOLDER_RATE = flags.DEFINE_float(
    "frame_folder_rate",
    None,
    "pictures a second of folders of numbered pictures (00001.jpg ...) that stand for videos; 12 for "
    "Something-Something and Jester",
    lower_bound=0.1,
    upper_bound=240.0,
)
