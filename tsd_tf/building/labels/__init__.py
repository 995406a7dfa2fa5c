"""Class lists, one name a line, the line number less one being the label."""
