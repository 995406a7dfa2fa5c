"""Does P find the frames that show the action? What P does, beside the truth."""

import numpy as np


def describe(matrices: np.ndarray, events: np.ndarray) -> dict[str, int | float]:
    """Where P puts its mass, and in which order: means over the clips that show some of their event.

    Args:
        matrices: P, (n, T, T_s).
        events: (n, T) bool, the frames of the event; at least one clip shows one.

    Returns:
        {"clips": how many, "mass_in_event": share of P's mass on frames of the event, "uniform_share": the share that
        a uniform P has, "effective_frames": exp of a column's entropy, "maximum": largest entry of a column,
        "increasing": share of neighbouring columns whose expected times ascend,
        "redundancy": mean cosine of two columns}.
    """
    shown = events.any(axis=1)
    p, event = matrices[shown].astype("float64"), events[shown]
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
