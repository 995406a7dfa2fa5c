"""Pictures in and out of files and codecs: one place."""

import os

# What OpenCV's FFmpeg and its drivers of cameras complain of goes into our own messages, not to the terminal.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")

# Files with these endings, in any case, are taken for videos where a folder of them is searched.
VIDEO_SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".qt", ".3gp", ".3g2", ".avi", ".divx", ".mkv", ".webm", ".ogv", ".flv", ".f4v"),
    *(".wmv", ".asf", ".mpg", ".mpeg", ".mpe", ".m2v", ".vob", ".ts", ".mts", ".m2ts", ".mxf", ".h264", ".hevc"),
    *(".y4m", ".gif", ".webp", ".apng"),
)
