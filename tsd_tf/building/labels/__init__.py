"""Class lists: one name per line; the line number, from 0, is the label."""
