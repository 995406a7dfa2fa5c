"""What the parts agree on: record keys, signatures, frame times, errors, whole files. Imports nothing of ours."""
