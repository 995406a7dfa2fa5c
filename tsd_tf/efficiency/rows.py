"""The rows of Tables 1 and 5, with what the paper prints in them."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Cost:
    """What the paper prints: parameters in M, FLOPS in G (multiply-accumulates of all clips), milliseconds."""

    parameters: float
    gmac: float
    milliseconds: float


@dataclasses.dataclass(frozen=True)
class Row:
    """A method at one setting.

    Attributes:
        table: 1 or 5.
        name: as the paper writes it.
        main_network: "inception_i3d", "tsn_bn_inception" or "artnet_resnet18".
        method: "tsd" with a client half; "i3d" for networks that take the frames as they come.
        num_clips: calls of the network a video: Q, and 10 a clip more for ARTNet's clips of 160 frames.
        num_frames, num_distilled_frames: T and T_s.
        size: edge of the frames that travel.
        client, cloud, both: what the paper prints for a half or for both together; None where it prints nothing.
    """

    table: int
    name: str
    main_network: str
    method: str
    num_clips: int
    num_frames: int
    num_distilled_frames: int
    size: int = 224
    client: Cost | None = None
    cloud: Cost | None = None
    both: Cost | None = None


def _i3d(table, name, num_clips, num_frames, cloud):
    return Row(table, name, "inception_i3d", "i3d", num_clips, num_frames, num_frames, cloud=cloud)


def _tsd(table, name, num_clips, num_frames, num_distilled_frames, **paper):
    return Row(table, name, "inception_i3d", "tsd", num_clips, num_frames, num_distilled_frames, **paper)


ROWS = (
    _i3d(1, "I3D", 1, 250, Cost(12, 422, 327)),
    Row(1, "TSN", "tsn_bn_inception", "i3d", 25, 10, 10, cloud=Cost(10, 508, 399)),
    Row(1, "Res18 ARTNet", "artnet_resnet18", "i3d", 250, 16, 16, size=112, cloud=Cost(33, 4850, 3691)),
    _tsd(1, "I3D+TSD", 3, 80, 20, client=Cost(4, 36, 33), cloud=Cost(12, 101, 78)),
    _tsd(1, "I3D+TSD", 3, 80, 40, client=Cost(4, 36, 33), cloud=Cost(12, 202, 154)),
    _tsd(1, "I3D+TSD", 10, 80, 20, client=Cost(4, 120, 109), cloud=Cost(12, 338, 258)),
    _tsd(1, "I3D+TSD", 10, 80, 40, client=Cost(4, 120, 109), cloud=Cost(12, 676, 511)),
    _i3d(5, "I3D (10)", 3, 10, Cost(12.1, 51, 46.1)),
    _tsd(5, "I3D+TSD (20->5)", 3, 20, 5, both=Cost(16.4, 34, 39.9), cloud=Cost(12.1, 25, 23.9)),
    _i3d(5, "I3D (20)", 3, 20, Cost(12.1, 101, 77.9)),
    _tsd(5, "I3D+TSD (40->10)", 3, 40, 10, both=Cost(16.4, 69, 58.2), cloud=Cost(12.1, 51, 43.1)),
    _i3d(5, "I3D (40)", 3, 40, Cost(12.1, 202, 150.3)),
    _tsd(5, "I3D+TSD (80->20)", 3, 80, 20, both=Cost(16.4, 137, 111.0), cloud=Cost(12.1, 101, 77.9)),
)
