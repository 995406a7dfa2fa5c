import asyncio
import contextlib

import grpc
import pytest

from tsd_tf.serving.arrivals import Arrivals
from tsd_tf.serving.connections import Connections
from tsd_tf.serving.peer import Peer
from tsd_tf.serving.refusal import Refusal

_CONNECTIONS = Connections(9, 9, print)


class _Sender:
    """Sends a request in parts, when it is told to."""

    def __init__(self, arrivals, peer):
        self._peer = Peer(peer[0], peer[0], peer[1])
        self._parts = asyncio.Queue()
        self.task = asyncio.create_task(self._send(arrivals))

    async def _send(self, arrivals):
        with arrivals.request(self._peer, _CONNECTIONS) as self.arrival:
            await self.arrival.receive(self._read(), 60)
            self.arrival.whole()
            await asyncio.sleep(60)

    async def _read(self):
        while size := await self._parts.get():
            self.arrival.add(size)

    async def send(self, *sizes):
        for size in sizes:
            self._parts.put_nowait(size)
        await asyncio.sleep(0.01)

    def reason(self):
        """Why it ended; None if it did not."""
        error = self.task.exception() if self.task.done() else None
        assert error is None or isinstance(error, Refusal)
        return error and error.reason


def _run(scenario, **bounds):
    async def main():
        arrivals = Arrivals(**{"max_requests": 4, "max_bytes": 100, **bounds})
        senders = []

        def sender(*peer):
            senders.append(_Sender(arrivals, peer))
            return senders[-1]

        try:
            await scenario(arrivals, sender)
        finally:
            for one in senders:
                one.task.cancel()
                with contextlib.suppress(asyncio.CancelledError, Refusal):
                    await one.task
        assert (arrivals.num_bytes, arrivals.num_whole, arrivals.num_arriving) == (0, 0, 0)

    asyncio.run(main())


def test_the_largest_that_arrives_gives_way():
    async def scenario(arrivals, sender):
        large, small, new = sender("a", 1), sender("a", 2), sender("a", 3)
        await large.send(60)
        await small.send(30)
        await new.send(20)
        assert [one.reason() for one in (large, small, new)] == ["memory", None, None]
        assert arrivals.num_bytes == 50

    _run(scenario)


def test_the_address_that_holds_most_gives_way():
    async def scenario(arrivals, sender):
        one, many = sender("a", 1), [sender("b", port) for port in (2, 3, 4)]
        await one.send(25)
        for each in many:
            await each.send(20)
        await one.send(20)
        assert one.reason() is None
        assert [each.reason() for each in many] == ["memory", None, None]  # the oldest of the three

    _run(scenario)


def test_whole_requests_do_not_give_way():
    async def scenario(arrivals, sender):
        whole, new = sender("a", 1), sender("a", 2)
        await whole.send(90, 0)
        assert arrivals.num_whole == 1
        await new.send(20)
        assert (whole.reason(), new.reason()) == (None, "memory")
        error = new.task.exception()
        assert (error.code, error.http_status, error.retry_after) == (grpc.StatusCode.RESOURCE_EXHAUSTED, 503, 1.0)
        assert str(error) == "the requests at the same time hold more than 100 bytes"
        with pytest.raises(Refusal, match="hold more than 100 bytes"):
            whole.arrival.add(20)  # as for what comes of decoding it

    _run(scenario)


def test_the_oldest_that_arrives_gives_way_to_a_new_one():
    async def scenario(arrivals, sender):
        slow = [sender("a", port) for port in (1, 2, 3, 4)]
        await asyncio.sleep(0.01)
        new = sender("a", 5)
        await new.send(1, 0)
        assert [each.reason() for each in slow] == ["arriving", None, None, None]
        assert (arrivals.num_arriving, arrivals.num_whole) == (3, 1)

    _run(scenario)


def test_too_many_at_the_same_time():
    async def scenario(arrivals, sender):
        senders = []
        for port in (1, 2, 3):
            senders.append(sender("a", port))
            await senders[-1].send(1, 0)
        assert [one.reason() for one in senders] == [None, None, "busy"]
        assert senders[2].task.exception().http_status == 429

    _run(scenario, max_requests=2)


def test_messages_that_grpc_has_in_part():
    async def scenario(arrivals, sender):
        first, second = sender("a", 1), sender("b", 2)
        await asyncio.sleep(0.01)
        (peer, since), _ = arrivals.oldest().items()
        assert peer == Peer("a", "a", 1)
        assert since == first.arrival.since
        arrivals.see({Peer("a", "a", 1): 80, Peer("b", "b", 2): 15})
        assert arrivals.num_unseen == 95
        arrivals.see({Peer("a", "a", 1): 90, Peer("b", "b", 2): 15})
        assert arrivals.num_unseen == 15
        await asyncio.sleep(0.01)
        assert (first.reason(), second.reason()) == ("memory", None)

    _run(scenario)


def test_one_that_takes_too_long():
    async def scenario(arrivals, sender):
        with arrivals.request(Peer("a", "a", 1), _CONNECTIONS) as arrival:
            with pytest.raises(Refusal, match="the request did not arrive within 0.01 s") as caught:
                await arrival.receive(asyncio.sleep(60), 0.01)
            assert (caught.value.code, caught.value.http_status) == (grpc.StatusCode.DEADLINE_EXCEEDED, 408)

    _run(scenario)
