"""What distilled frames are made of, and what they cost to send."""

import numpy as np
import tensorflow as tf

from study import data
from tsd_tf.building import procedural_videos
from tsd_tf.data.preprocessing import to_network_input, to_uint8
from tsd_tf.evaluation.coding import Coding
from tsd_tf.selectors import Uniform

QUALITIES = (5, 15, 30, 50, 75, 90, 95)
RATE_FACTORS = (18, 23, 28, 33, 38, 43)  # CRF of H.264
_BATCH_SIZE = 32
_SEED = 7
_EXAMPLES = 3


def clips_with_events(config, split):
    """One random clip of every video, with the true event's frames marked.

    Returns:
        (frames uint8 (n, T, size, size, 3), labels (n,), mask bool (n, T))
    """
    frames, labels, events = data.whole_videos(config.data_dir, split)
    starts = data.windows(len(frames), config.num_frames, _SEED)
    clips = np.stack([video[start : start + config.num_frames] for video, start in zip(frames, starts, strict=True)])
    return clips, labels, data.event_mask(events, starts, config.num_frames)


def matrices(network, clips):
    """P of uint8 clips: (n, T, T_s)."""

    @_in_batches
    def matrix(frames):
        return network.transformation_matrix(to_network_input(frames), training=False)

    return matrix(clips)


def example_frames(network, config, split):
    """What the main network sees of a few clips that show their whole event.

    Returns:
        {title: uint8 (n, size, size, 3)}, in pairs: distilled frames, and frames at equal intervals.
    """
    clips, labels, mask = clips_with_events(config, split)
    names = procedural_videos.class_names(data.MAIN)
    every = Uniform(config.num_frames, config.num_distilled_frames).indices()
    rows = {}
    for number, i in enumerate(_with_whole_event(mask), 1):
        distilled = to_uint8(network.client(to_network_input(clips[i : i + 1]), training=False))
        rows[f"{number}: {names[labels[i]]}\ndistilled"] = np.asarray(distilled)[0]
        rows[f"{number}: uniform"] = clips[i][every]
    return rows


def _with_whole_event(mask):
    return np.flatnonzero(mask.sum(axis=1) == data.EVENT_FRAMES)[:_EXAMPLES]


def matrix_statistics(network, config, split):
    """P against the truth, on one clip of every video.

    Returns:
        What `describe_matrices` returns, with what `recognise_events` returns under "whole_event", and under "examples"
        a few P with the event masks of their clips.
    """
    clips, labels, mask = clips_with_events(config, split)
    found = matrices(network, clips)
    examples = [
        {
            "video": int(i),
            "label": int(labels[i]),
            "event": np.flatnonzero(mask[i]).tolist(),
            "P": np.round(found[i], 4).tolist(),
        }
        for i in _with_whole_event(mask)
    ]
    return {
        **describe_matrices(found, mask),
        "whole_event": recognise_events(network, clips, labels, mask),
        "examples": examples,
    }


def recognise_events(network, clips, labels, mask):
    """Accuracy on the clips that show their whole event: if the event is not in a clip, no P can find it.

    Args:
        network: a FewFrameNetwork, trained.
        clips: uint8 (n, T, size, size, 3).
        labels: (n,) ints.
        mask: (n, T) bool, the frames of the event.

    Returns:
        {"clips": how many, "top1": of the network, "top1_of_event": of its main network on the event's own frames, as a
        perfect P would pick them; None unless there are T_s of them}. Both are None if no clip shows its whole event.
    """
    whole = mask.sum(axis=1) == data.EVENT_FRAMES
    clips, labels, mask = clips[whole], labels[whole], mask[whole]
    if not len(clips):
        return {"clips": 0, "top1": None, "top1_of_event": None}

    @_in_batches
    def distil(frames):
        return network.client(to_network_input(frames), training=False)

    @_in_batches
    def recognise(frames):
        return network.cloud(frames, training=False)

    found = {"clips": len(clips), "top1": _top1(recognise(distil(clips)), labels), "top1_of_event": None}
    if network.selector.num_distilled_frames == data.EVENT_FRAMES:
        events = clips[mask].reshape(len(clips), data.EVENT_FRAMES, *clips.shape[2:])
        found["top1_of_event"] = _top1(recognise(to_network_input(events)), labels)
    return found


def describe_matrices(matrices, mask):
    """Where P puts its mass, and in which order: means over the clips that show some of the event.

    Args:
        matrices: P, (n, T, T_s).
        mask: (n, T) bool, the frames of the event.

    Returns:
        {"clips": how many, "mass_in_event": share of P's mass on frames of the event, "uniform_share": the share that
        a uniform P has, "effective_frames": exp of a column's entropy, "maximum": largest entry of a column,
        "increasing": share of neighbouring columns whose expected times ascend,
        "redundancy": mean cosine of two columns}.
    """
    shown = mask.any(axis=1)
    p, event = matrices[shown].astype("float64"), mask[shown]
    inside = (p * event[:, :, None]).sum(axis=1).mean(axis=1)
    entropy = -(p * np.log(np.maximum(p, 1e-12))).sum(axis=1)
    expected = (p * np.arange(p.shape[1])[None, :, None]).sum(axis=1)
    unit = p / np.linalg.norm(p, axis=1, keepdims=True)
    cosines = np.einsum("nti,ntj->nij", unit, unit)
    i, j = np.triu_indices(p.shape[2], 1)
    return {
        "clips": int(shown.sum()),
        "mass_in_event": float(inside.mean()),
        "uniform_share": float(event.mean()),
        "effective_frames": float(np.exp(entropy).mean()),
        "maximum": float(p.max(axis=1).mean()),
        "increasing": float((np.diff(expected, axis=1) > 0).mean()),
        "redundancy": float(cosines[:, i, j].mean()),
    }


def compression(network, config, split):
    """Accuracy over bytes, one clip a video: distilled frames as JPEG at QUALITIES, and the whole clip as H.264.

    Returns:
        list of {"coding", "bytes": mean bytes that travel for a clip, see messages.predict_request, "top1"}.
    """
    clips, labels, _ = clips_with_events(config, split)

    @_in_batches
    def distil(frames):
        return to_uint8(network.client(to_network_input(frames), training=False))

    @_in_batches
    def recognise(frames):
        return network.cloud(to_network_input(frames), training=False)

    def row(coding, size, distilled):
        return {"coding": coding, "bytes": float(size), "top1": _top1(recognise(distilled), labels)}

    def travelled(frames, coding):
        """Mean bytes of clips, and their frames behind the codec."""
        encoded = [coding.encode(clip, None) for clip in frames]
        received = np.stack([coding.decode(clip, frames.shape[1:4]) for clip in encoded])
        return np.mean([clip.num_bytes for clip in encoded]), received

    distilled = distil(clips)
    rows = [row("uint8", *travelled(distilled, Coding("raw", None)))]
    rows += [row(f"JPEG {quality}", *travelled(distilled, Coding("jpeg", quality))) for quality in QUALITIES]
    for factor in RATE_FACTORS:
        size, received = travelled(clips, Coding("h264", factor))
        rows.append(row(f"H.264 CRF {factor}", size, distil(received)))
    return rows


def _in_batches(function):
    """Makes a function of a batch one of an array of any length, which gives a NumPy array."""
    traced = tf.function(function, jit_compile=False, reduce_retracing=True)
    return lambda array: np.concatenate(
        [traced(array[start : start + _BATCH_SIZE]).numpy() for start in range(0, len(array), _BATCH_SIZE)]
    )


def _top1(logits, labels):
    return float((logits.argmax(axis=1) == labels).mean())
