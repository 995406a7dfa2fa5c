"""From videos to records."""
