"""Large bodies in a process of their own: the same answers, and what it costs when one is hostile."""

import asyncio
import json
import os
import signal
import struct
import time

import grpc
import numpy as np
import pytest

from tsd_tf.serving import json_request, json_worker
from tsd_tf.serving.input_spec import InputSpec
from tsd_tf.serving.intake_limits import IntakeLimits
from tsd_tf.serving.json_cost import JsonCost
from tsd_tf.serving.json_reader import JsonReader
from tsd_tf.serving.refusal import Refusal
from tsd_tf.serving.serving_error import ServingError

_SIGNATURES = {
    "serving_default": {"frames": InputSpec("uint8", (-1, 100, 3))},
    "strings": {"a": InputSpec("string", (-1, 2)), "b": InputSpec("float32", (-1,))},
}
_FRAMES = np.random.default_rng(0).integers(0, 256, (300, 100, 3)).astype("uint8")


def _run(scenario, **limits):
    async def main():
        reader = JsonReader(IntakeLimits(**limits))
        try:
            await scenario(reader)
        finally:
            await reader.close()

    asyncio.run(main())


def _read(reader, body):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    cost = JsonCost(1 << 30)
    cost.add(body)
    return reader.read(body, cost, _SIGNATURES)


def test_small_and_large_bodies_are_read_alike():
    async def scenario(reader):
        for clips in (_FRAMES[:1], _FRAMES):
            for row in (False, True):
                read = await _read(reader, {"instances" if row else "inputs": clips.tolist()})
                assert (read.signature, read.row) == ("serving_default", row)
                np.testing.assert_array_equal(read.inputs["frames"], clips)
                assert read.inputs["frames"].dtype == np.uint8
        for count in (1, 30_000):
            strings = [["x" * (index % 7), "ä"] for index in range(count)]
            inputs = {"a": strings, "b": [index / 3 for index in range(count)]}
            read = await _read(reader, {"signature_name": "strings", "inputs": inputs})
            assert read.inputs["a"].tolist() == [[one.encode() for one in line] for line in strings]
            np.testing.assert_array_equal(read.inputs["b"], np.arange(count, dtype=np.float32) / np.float32(3))

    _run(scenario)


def test_errors_are_the_same():
    async def scenario(reader):
        large = _FRAMES.tolist()
        for body, text in (
            ({"inputs": [*large[:-1], [[0, 1]]]}, "Encountered list at unexpected size: 1 at level: 1"),
            ({"inputs": large, "signature_name": "x"}, 'Serving signature name: "x" not found in signature def'),
            (b"[" + b"0," * 50_000, "JSON Parse error"),
        ):
            with pytest.raises(ServingError, match=text) as caught:
                await _read(reader, body)
            assert caught.value.code is grpc.StatusCode.INVALID_ARGUMENT

    _run(scenario)


def test_others_go_on_meanwhile():
    """Python's parser lets no other thread run; this one is in another process."""

    async def scenario(reader):
        await _read(reader, {"inputs": _FRAMES.tolist()})  # it has started
        body = b'{"inputs": [' + b"[]," * 1_500_000 + b"0]}"
        reading = asyncio.create_task(_read(reader, body))
        longest = last = 0.0
        began = time.perf_counter()
        while not reading.done():
            last = time.perf_counter()
            await asyncio.sleep(0.001)
            longest = max(longest, time.perf_counter() - last)
        with pytest.raises(ServingError):
            await reading
        took = time.perf_counter() - began
        assert longest < max(0.2, took / 2), (longest, took)

    _run(scenario)


def test_what_takes_too_much_memory():
    async def scenario(reader):
        reader._max_memory = 32 << 20
        with pytest.raises(Refusal, match="reading the body took more than 32 MB of memory") as caught:
            await _read(reader, b'{"inputs": [' + b'{"a":0},' * 1_000_000 + b"0]}")
        assert (caught.value.code, caught.value.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "json")
        await _read(reader, {"inputs": _FRAMES.tolist()})

    _run(scenario)


def test_a_process_that_is_lost_is_replaced():
    async def scenario(reader):
        await _read(reader, {"inputs": _FRAMES.tolist()})
        os.kill(reader._worker._process.pid, signal.SIGKILL)
        with pytest.raises(ServingError, match="the process that reads bodies was lost") as caught:
            await _read(reader, {"inputs": _FRAMES.tolist()})
        assert caught.value.code is grpc.StatusCode.INTERNAL
        await _read(reader, {"inputs": _FRAMES.tolist()})

    _run(scenario)


def test_whoever_hangs_up_costs_nobody_the_process():
    async def scenario(reader):
        await _read(reader, {"inputs": _FRAMES.tolist()})
        process = reader._worker._process.pid
        for _ in range(3):
            reading = asyncio.create_task(_read(reader, b'{"inputs": [' + b"[]," * 300_000 + b"0]}"))
            await asyncio.sleep(0.01)
            reading.cancel()
        read = await _read(reader, {"inputs": _FRAMES.tolist()})
        np.testing.assert_array_equal(read.inputs["frames"], _FRAMES)
        assert reader._worker._process.pid == process

    _run(scenario)


def test_too_many_wait():
    async def scenario(reader):
        body = json.dumps({"inputs": _FRAMES.tolist()}).encode()
        reading = [asyncio.create_task(_read(reader, body)) for _ in range(30)]
        done = await asyncio.gather(*reading, return_exceptions=True)
        refused = [one for one in done if isinstance(one, Refusal)]
        assert 0 < len(refused) <= 14
        assert {(one.reason, one.retry_after) for one in refused} == {("json_queue", 1.0)}
        assert len([one for one in done if isinstance(one, json_request.JsonRequest)]) == 30 - len(refused)

    _run(scenario)


_STRINGS = '["s", false, [["a", "", [1], %d]]]'


def _packed(text, *rest):
    return len(text).to_bytes(8, "little") + text.encode() + b"".join(rest)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        bytes(8),
        b"\xff" * 16,
        _packed("[]"),
        _packed('["s", false, [["a", "|u1", [4], 3]]]', b"abc"),
        _packed(_STRINGS % 9, (9).to_bytes(8, "little"), b"a"),
        _packed(_STRINGS % 9, (-1).to_bytes(8, "little", signed=True), b"a"),
    ],
)
def test_an_answer_of_a_process_that_was_taken_over(content):
    with pytest.raises((ValueError, KeyError, TypeError, struct.error)):
        json_worker.unpack(memoryview(content))
