import asyncio
import threading

import grpc
import numpy as np
import pytest

from tsd_tf.serving.batcher import Batcher
from tsd_tf.serving.limits import Limits
from tsd_tf.serving.metrics import Metrics
from tsd_tf.serving.serving_error import ServingError


class _Model:
    """Doubles its input; waits until it is let go; fails on -1."""

    def __init__(self, open_gate=True):
        self.calls, self.gate, self.entered = [], threading.Event(), threading.Event()
        if open_gate:
            self.gate.set()

    def __call__(self, inputs):
        self.calls.append(inputs["x"].tolist())
        self.entered.set()
        self.gate.wait()
        if (inputs["x"] == -1).any():
            raise ServingError(grpc.StatusCode.INVALID_ARGUMENT, "minus one")
        return {"y": 2 * inputs["x"]}


def _run(scenario, **limits):
    async def main():
        batcher = Batcher(Limits(**{"num_batch_threads": 1, **limits}), Metrics())
        try:
            return await scenario(batcher)
        finally:
            batcher.close()

    return asyncio.run(main())


def _ask(batcher, model, *values):
    return asyncio.ensure_future(batcher.run(model, {"x": np.array(values)}, len(values)))


async def _held(batcher, model):
    """Occupies the only thread."""
    first = _ask(batcher, model, 0)
    await asyncio.to_thread(model.entered.wait)
    return first


def test_requests_that_wait_together_are_one_call():
    model = _Model(open_gate=False)

    async def scenario(batcher):
        first = await _held(batcher, model)
        others = [_ask(batcher, model, 1), _ask(batcher, model, 2, 3), _ask(batcher, model, 4)]
        await asyncio.sleep(0)
        model.gate.set()
        return await asyncio.gather(first, *others)

    answers = _run(scenario)
    assert [answer["y"].tolist() for answer in answers] == [[0], [2], [4, 6], [8]]
    assert model.calls == [[0], [1, 2, 3, 4]]


def test_a_batch_is_bounded_and_in_order():
    model = _Model(open_gate=False)

    async def scenario(batcher):
        first = await _held(batcher, model)
        others = [_ask(batcher, model, 1, 2), _ask(batcher, model, 3, 4), _ask(batcher, model, 5)]
        await asyncio.sleep(0)
        model.gate.set()
        return await asyncio.gather(first, *others)

    _run(scenario, max_batch_size=3)
    assert model.calls == [[0], [1, 2], [3, 4, 5]]


def test_nobody_fails_for_another():
    model = _Model(open_gate=False)

    async def scenario(batcher):
        first = await _held(batcher, model)
        others = [_ask(batcher, model, 1), _ask(batcher, model, -1), _ask(batcher, model, 2)]
        await asyncio.sleep(0)
        model.gate.set()
        return await asyncio.gather(first, *others, return_exceptions=True)

    _, one, minus_one, two = _run(scenario)
    assert (one["y"].tolist(), two["y"].tolist()) == ([2], [4])
    assert isinstance(minus_one, ServingError)
    assert minus_one.message == "minus one"


def test_other_shapes_and_functions_are_other_calls():
    model, other = _Model(open_gate=False), _Model()

    async def scenario(batcher):
        first = await _held(batcher, model)
        wide = asyncio.ensure_future(batcher.run(model, {"x": np.ones((1, 2), int)}, 1))
        rest = [_ask(batcher, model, 1), _ask(batcher, other, 5), _ask(batcher, model, 2), wide]
        await asyncio.sleep(0)
        model.gate.set()
        return await asyncio.gather(first, *rest)

    answers = _run(scenario)
    assert [answer["y"].tolist() for answer in answers] == [[0], [2], [10], [4], [[2, 2]]]
    assert sorted(map(str, model.calls)) == ["[0]", "[1, 2]", "[[1, 1]]"]
    assert other.calls == [[5]]


def test_the_queue_is_bounded_and_frees_again():
    model = _Model(open_gate=False)

    async def scenario(batcher):
        first = await _held(batcher, model)
        waiting = [_ask(batcher, model, 1), _ask(batcher, model, 2)]
        await asyncio.sleep(0)
        with pytest.raises(ServingError, match="queue to which this task was submitted is full") as caught:
            await _ask(batcher, model, 3)
        assert caught.value.code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert caught.value.http_status == 429
        model.gate.set()
        await asyncio.gather(first, *waiting)
        return (await _ask(batcher, model, 4))["y"].tolist()

    assert _run(scenario, max_queue=2) == [8]


def test_a_request_larger_than_a_batch_is_refused():
    async def scenario(batcher):
        await _ask(batcher, _Model(), 1, 2, 3)

    with pytest.raises(ServingError, match="Task size 3 is larger than maximum input batch size 2"):
        _run(scenario, max_batch_size=2)


def test_who_hangs_up_leaves_the_queue():
    model = _Model(open_gate=False)

    async def scenario(batcher):
        first = await _held(batcher, model)
        gone, stays = _ask(batcher, model, 1), _ask(batcher, model, 2)
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        # Its place is free.
        last = _ask(batcher, model, 3)
        await asyncio.sleep(0)
        model.gate.set()
        return await asyncio.gather(first, stays, last)

    _run(scenario, max_queue=2)
    assert model.calls == [[0], [2, 3]]


def test_an_idle_model_waits_for_company_as_long_as_told():
    model = _Model()

    async def scenario(batcher):
        return await asyncio.gather(_ask(batcher, model, 1), _ask(batcher, model, 2))

    _run(scenario, batch_timeout=0.05)
    assert model.calls == [[1, 2]]
