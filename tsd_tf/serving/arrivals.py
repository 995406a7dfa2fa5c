"""Requests from their first byte to their answer, bounded in number and in the bytes that they hold."""

import asyncio
import collections
import contextlib
from collections.abc import Coroutine, Iterator, Mapping
from typing import Any, TypeVar

import grpc

from tsd_tf.serving.connections import Connections
from tsd_tf.serving.freed_memory import FreedMemory
from tsd_tf.serving.peer import Peer
from tsd_tf.serving.refusal import Refusal

_RETRY_AFTER = 1.0
_LARGE = 8 << 20  # bytes, after which memory is given back
_Result = TypeVar("_Result")


class Arrival:
    """One request; see Arrivals.

    Attributes:
        peer: who sends it.
        connections: those of its protocol.
        since: when it began, by the event loop's clock.
        num_bytes: that it holds.
    """

    def __init__(self, arrivals: "Arrivals", peer: Peer, connections: Connections) -> None:
        self._arrivals, self.peer, self.connections = arrivals, peer, connections
        self.since = asyncio.get_running_loop().time()
        self.num_bytes = 0
        self._reading: asyncio.Future | None = None
        self._reason = ""

    def add(self, num_bytes: int) -> None:
        """Notes that it holds so many bytes more.

        Raises:
            Refusal: RESOURCE_EXHAUSTED, HTTP 503: they are too many, and no other request gives way.
        """
        self.num_bytes += num_bytes
        self._arrivals.num_bytes += num_bytes
        self._arrivals.make_room(self)

    async def receive(self, reading: Coroutine[Any, Any, _Result], seconds: float | None) -> _Result:
        """What comes of reading the request.

        Args:
            reading: is cancelled if it takes too long, or has to give way to others.
            seconds: that it may take; None for any time.

        Raises:
            Refusal: DEADLINE_EXCEEDED, HTTP 408, after `seconds`; RESOURCE_EXHAUSTED if it has to give way.
        """
        self._reading = asyncio.ensure_future(reading)
        try:
            if not self._reason:
                await asyncio.wait({self._reading}, timeout=seconds)
            if self._reason:
                raise self._arrivals.refusal(self._reason)
            if not self._reading.done():
                message = f"the request did not arrive within {seconds:g} s"
                raise Refusal(grpc.StatusCode.DEADLINE_EXCEEDED, message, "slow_body")
            return self._reading.result()
        finally:
            if not self._reading.cancel() and not self._reading.cancelled():
                self._reading.exception()  # else asyncio complains if nobody has asked for it
            self._reading = None

    def whole(self) -> None:
        """Notes that it has arrived: it no longer gives way, and is one of those that are answered.

        Raises:
            Refusal: RESOURCE_EXHAUSTED, HTTP 429: there are too many of these.
        """
        self._arrivals.take(self)

    @property
    def gives_way(self) -> bool:
        """Whether it was told to, and is about to."""
        return bool(self._reason)

    def give_way(self, reason: str) -> None:
        """Ends `receive`, if need be as soon as it begins."""
        self._reason = reason
        if self._reading is not None:
            self._reading.cancel()


class Arrivals:
    """Bounds what requests hold that nobody has looked at yet, and how many are answered at the same time.

    Whoever sends a request slowly, or never to its end, keeps nobody else out: beyond the bounds such requests give
    way, those of the address and the connection first that hold most.

    Args:
        max_requests: that are answered at the same time; as many more may arrive.
        max_bytes: of all requests together.

    Attributes:
        num_bytes: that they hold.
        num_unseen: bytes of messages that gRPC has received in part, which it does not show; an estimate.
        num_whole: how many are answered.
    """

    def __init__(self, max_requests: int, max_bytes: int) -> None:
        self._max_requests, self._max_bytes = max_requests, max_bytes
        self.num_bytes = self.num_whole = self.num_unseen = 0
        self._arriving: dict[Arrival, None] = {}  # the oldest first
        self._freed = FreedMemory()
        self._unseen: dict[Peer, int] = {}  # by connection

    @property
    def num_arriving(self) -> int:
        """How many are not whole yet."""
        return len(self._arriving)

    @contextlib.contextmanager
    def request(self, peer: Peer, connections: Connections) -> Iterator[Arrival]:
        """Goes around a request, from its head to its answer.

        Args:
            peer: who sends it.
            connections: those of its protocol, which are told when it is whole and when it is over.
        """
        arrival = Arrival(self, peer, connections)
        self._arriving[arrival] = None
        if len(self._arriving) > self._max_requests:
            self._end_one({one: 1 for one in self._arriving if not one.gives_way}, "arriving")
        try:
            yield arrival
        finally:
            self.num_bytes -= arrival.num_bytes
            if arrival.num_bytes >= _LARGE:
                self._freed.give_back()
            if arrival in self._arriving:
                del self._arriving[arrival]
            else:
                self.num_whole -= 1
                connections.answered(peer)

    def oldest(self) -> dict[Peer, float]:
        """For each connection with requests that are not whole: when the oldest of them began."""
        found: dict[Peer, float] = {}
        for arrival in self._arriving:
            found.setdefault(arrival.peer, arrival.since)
        return found

    def see(self, unseen: Mapping[Peer, int]) -> None:
        """Takes note of the bytes of messages that gRPC has received in part, by connection."""
        self._unseen, self.num_unseen = dict(unseen), sum(unseen.values())
        if self.num_unseen >= _LARGE:
            self._freed.give_back()
        self.make_room(None)

    def take(self, arrival: Arrival) -> None:
        """See Arrival.whole."""
        del self._arriving[arrival]
        self._forget(arrival.peer)
        self.num_whole += 1
        arrival.connections.answer(arrival.peer)
        if self.num_whole > self._max_requests:
            raise self.refusal("busy")

    def make_room(self, arrival: Arrival | None) -> None:
        """Has those that arrive give way while there are too many bytes.

        Args:
            arrival: what the bytes were added to; None if to nothing in particular.

        Raises:
            Refusal: see Arrival.add.
        """
        while self.num_bytes + self.num_unseen > self._max_bytes and self._num_kept() > self._max_bytes:
            weights = {
                one: one.num_bytes + self._unseen.get(one.peer, 0) for one in self._arriving if not one.gives_way
            }
            ended = self._end_one(weights, "memory")
            if ended is None:
                if arrival is None:
                    return
                raise self.refusal("memory")
            if ended is arrival:
                raise self.refusal("memory")
            self._forget(ended.peer)

    def refusal(self, reason: str) -> Refusal:
        """What a request is told that cannot be held: "memory", "arriving" or "busy"."""
        message = {
            "memory": f"the requests at the same time hold more than {self._max_bytes} bytes",
            "arriving": f"more than {self._max_requests} requests arrive at the same time",
            "busy": f"more than {self._max_requests} requests at the same time",
        }[reason]
        return Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, message, reason, _RETRY_AFTER)

    def _forget(self, peer: Peer) -> None:
        """Until gRPC's connections are looked at again."""
        self.num_unseen -= self._unseen.pop(peer, 0)

    def _num_kept(self) -> int:
        return self.num_bytes + self.num_unseen - sum(one.num_bytes for one in self._arriving if one.gives_way)

    def _end_one(self, weights: Mapping[Arrival, int], reason: str) -> Arrival | None:
        """Ends the oldest of the heaviest connection of the heaviest address; None if nothing has any weight."""
        addresses: collections.Counter[str] = collections.Counter()
        connections: collections.Counter[Peer] = collections.Counter()
        for one, weight in weights.items():
            addresses[one.peer.address] += weight
            connections[one.peer] += weight
        heaviest = max(
            (one for one, weight in weights.items() if weight),
            key=lambda one: (addresses[one.peer.address], connections[one.peer], -one.since),
            default=None,
        )
        if heaviest is not None:
            heaviest.give_way(reason)
        return heaviest
