"""FFmpeg's own filters, on frames whose size and format may change."""

from typing import Any

import av
import av.filter


class FrameFilter:
    """A chain of FFmpeg's filters, set up anew wherever the frames' size or pixel format changes.

    Args:
        filters: (name, options) of one filter after the other, as FFmpeg's documentation of filters has them.
    """

    def __init__(self, *filters: tuple[str, str]) -> None:
        self._filters = filters
        self._key: tuple[int, int, str] | None = None
        self._graph: Any = None

    def push(self, frame: av.VideoFrame) -> list[av.VideoFrame]:
        """The frames that are ready once `frame` has come; as many come out as go in, in the same order.

        Raises:
            av.FFmpegError: FFmpeg cannot filter it.
        """
        key = (frame.width, frame.height, frame.format.name)
        ready = []
        if key != self._key:
            ready, self._key = self.flush(), key
            self._graph = graph = av.filter.Graph()
            graph.threads = 1
            source = graph.add_buffer(
                width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
            )
            chain = [graph.add(name, options) for name, options in self._filters]
            graph.link_nodes(source, *chain, graph.add("buffersink")).configure()
        self._graph.push(frame)
        return ready + self._pulled()

    def flush(self) -> list[av.VideoFrame]:
        """The frames that were held back; the chain is set up anew for what follows."""
        if self._graph is None:
            return []
        self._graph.push(None)
        held = self._pulled()
        self._graph = self._key = None
        return held

    def _pulled(self) -> list[av.VideoFrame]:
        pulled = []
        while True:
            try:
                pulled.append(self._graph.pull())
            except (av.BlockingIOError, av.EOFError):
                return pulled
