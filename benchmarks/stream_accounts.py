"""What the client's JSON says of a camera, checked frame by frame."""


def account(events, num_frames, rate):
    """Follows clips and gaps from frame to frame.

    Args:
        events: what the client printed, in order: answers, {"lost": ...} and {"gap": ...}.
        num_frames: T.
        rate: frames a second.

    Returns:
        Counts: `answered` and `lost` clips, `gaps`, `frames_in_clips`, `frames_lost`; `unaccounted`, frames of which
        nothing was said; and `repeated`, clips that begin before the one before them.
    """
    found = dict.fromkeys(("answered", "lost", "gaps", "frames_in_clips", "frames_lost", "unaccounted", "repeated"), 0)
    expected = last = 0  # the first frame of which nothing was said yet; where the last clip began
    for event in events:
        if "gap" in event:
            found["gaps"] += 1
            found["frames_lost"] += event["gap"]["frames"]
            expected += event["gap"]["frames"]
            continue
        kind = "lost" if "lost" in event else "answered"
        found[kind] += 1
        start = round((event["lost"] if kind == "lost" else event)["start"] * rate)
        found["repeated"] += start < last
        found["unaccounted"] += max(0, start - expected)
        found["frames_in_clips"] += max(0, start + num_frames - max(expected, start))
        expected, last = max(expected, start + num_frames), start
    return found
