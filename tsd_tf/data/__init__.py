"""From video files and TFRecord shards to clips."""
