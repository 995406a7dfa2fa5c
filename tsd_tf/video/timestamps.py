"""Which of a decoded frame's two timestamps to believe."""


class BestEffortTimestamps:
    """After FFmpeg's rule (libavcodec's guess_correct_pts): old containers and encoders get one of the two wrong.

    The time of presentation is taken until it has gone back more often than the time of decoding, which frames carry in
    the order in which they leave the decoder.
    """

    def __init__(self) -> None:
        self._last: list[float | None] = [None, None]
        self._faults = [0, 0]

    def choose(self, presented: float | None, decoded: float | None) -> float | None:
        """The timestamp of the next frame.

        Args:
            presented, decoded: the frame's times of presentation and decoding, in any unit; None if it has none.
        """
        for which, time in enumerate((presented, decoded)):
            last = self._last[which]
            if time is not None:
                self._faults[which] += last is not None and time <= last
                self._last[which] = time
        if presented is not None and (decoded is None or self._faults[0] <= self._faults[1]):
            return presented
        return decoded
