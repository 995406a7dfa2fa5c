"""Pictures in and out of files and codecs: one place."""
