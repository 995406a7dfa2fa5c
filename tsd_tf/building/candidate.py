"""Where a row's clip may be."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A video file, or a folder of numbered pictures, that may hold a row's clip.

    Attributes:
        path: of the file or folder.
        data_path: the same, relative to the folder of videos.
        time_start, time_end: seconds in it; a time_end of None means its end.
        may_be_trimmed: whether its name stands for the source video, from which the clip would have to be cut. Copies
            are about whose files bear this name and hold the clip alone.
        is_folder: whether it is a folder of numbered pictures.
    """

    path: str
    data_path: str
    time_start: float
    time_end: float | None
    may_be_trimmed: bool = False
    is_folder: bool = False
