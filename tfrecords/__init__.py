"""Programs that turn videos into TFRecord shards."""
