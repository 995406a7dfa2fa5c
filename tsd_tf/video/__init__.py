"""Pictures in and out of files and codecs: one place."""

# Files with these endings, in any case, are taken for videos where a folder of them is searched.
VIDEO_SUFFIXES = (".mp4", ".avi", ".mkv", ".webm", ".mov", ".m4v", ".flv", ".wmv", ".mpg", ".mpeg", ".3gp", ".ts")
