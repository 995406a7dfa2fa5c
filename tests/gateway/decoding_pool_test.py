import asyncio
import contextlib
import logging
import os
import pathlib
import pickle
import re
import signal
import socket
import subprocess
import sys
import time

import grpc
import numpy as np
import pytest

from tsd_tf.gateway.decoding_pool import DecodingPool
from tsd_tf.serving import worker
from tsd_tf.serving.refusal import Refusal
from tsd_tf.video import codec

_SHAPE = (3, 64, 64)


def _frames(shape=_SHAPE):
    values = np.arange(np.prod(shape, dtype=int)).reshape(shape) // 7 % 200
    return np.stack([values, values // 2, 255 - values], -1).astype("uint8")


@pytest.fixture(scope="module")
def inputs():
    return codec.encode(_frames(), "h264", preset="ultrafast").inputs


@pytest.fixture(scope="module")
def slow():
    """A clip that takes a second or two to decode, and its shape."""
    frames = np.zeros((255, 512, 512, 3), np.uint8)
    return codec.encode(frames, "h264", preset="ultrafast").inputs, frames.shape[:3]


def _workers(parent=None):
    """The numbers of the processes that decode for a process."""
    found = set()
    for task in pathlib.Path(f"/proc/{parent or os.getpid()}/task").iterdir():
        with contextlib.suppress(FileNotFoundError):  # a thread or a process that has ended in the meantime
            for number in map(int, (task / "children").read_text().split()):
                if b"decoding_worker" in pathlib.Path(f"/proc/{number}/cmdline").read_bytes():
                    found.add(number)
    return found


def _processor_time(worker):
    """That a process has used, in hundredths of a second."""
    return int(pathlib.Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()[11])


async def _refused(awaitable):
    with pytest.raises(Refusal) as caught:
        await awaitable
    return caught.value


async def _until(condition):
    while not condition():
        await asyncio.sleep(0.02)


def _run(scenario, **options):
    """Runs `scenario(pool)`; the pool has one process unless `options` say otherwise."""

    async def within():
        async with DecodingPool(**{"num_workers": 1, **options}) as pool:
            return await asyncio.wait_for(scenario(pool), 120)

    result = asyncio.run(within())
    assert not _workers()
    return result


def _repeated(inputs, count):
    return {name: np.concatenate([array] * count) for name, array in inputs.items()}


def test_frames_are_those_of_the_decoder(inputs):
    async def scenario(pool):
        assert len(_workers()) == 2  # before anybody asks
        both = _repeated(inputs, 2)
        answers = await asyncio.gather(*(pool.decode(both, _SHAPE) for _ in range(20)))
        expected = codec.decode_inputs(both, _SHAPE)
        for answer in answers:
            np.testing.assert_array_equal(answer, expected)
        assert answers[0].dtype == np.uint8
        assert pool.restarts == 0

    _run(scenario, num_workers=2)


def _with_size(packets, width, height):
    """An H.264 stream of the baseline profile that states another size."""
    first = packets[0]
    begin = first.index(b"\x00\x00\x00\x01\x67") + 5
    end = first.index(b"\x00\x00\x00\x01", begin)
    bits = "".join(f"{byte:08b}" for byte in first[begin:end].replace(b"\x00\x00\x03", b"\x00\x00"))
    position = 24  # after profile and level

    def number():
        nonlocal position
        zeros = bits.index("1", position) - position
        position += 2 * zeros + 1
        return int(bits[position - zeros - 1 : position], 2) - 1

    def written(value):
        return f"{value + 1:b}".zfill(2 * (value + 1).bit_length() - 1)

    number(), number()  # set and frame numbers
    assert number() == 2  # the order of output is that of decoding
    number()  # references
    position += 1
    start = position
    old = number(), number()
    bits = bits[:start] + written(width // 16 - 1) + written(height // 16 - 1) + bits[position:].rstrip("0")
    bits += "0" * (-len(bits) % 8)
    content = bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8))
    content = re.sub(rb"\x00\x00(?=[\x00-\x03])", b"\x00\x00\x03", content)  # would look like a start code
    return old, [first[:begin] + content + first[end:], *packets[1:]]


def test_a_bomb_costs_its_own_answer(inputs):
    packets = list(inputs["packets"][0])
    old, same = _with_size(packets, 64, 64)
    assert (old, same) == ((3, 3), packets)
    _, huge = _with_size(packets, 16384, 16384)
    _, wide = _with_size(packets, 128, 64)
    many = codec.encode(np.zeros((255, 64, 64, 3), np.uint8), "h264", preset="ultrafast").inputs["packets"][0]

    def changed(packets):
        return {**inputs, "packets": np.array([packets], object)}

    async def scenario(pool):
        for bomb, message in (
            (huge, "no h264 stream of frames of 64 x 64 pixels"),
            (wide, "expected frames of 64 x 64 pixels, got 128 x 64|no h264 stream of frames of 64 x 64 pixels"),
            ([b"".join(map(bytes, many))], "expected 3 frames, got|no h264 stream"),
            (packets[:2], "expected 3 frames, got 2"),
            ([b"no video" * 40], "no h264 stream"),
        ):
            refusal = await _refused(pool.decode(changed(bomb), _SHAPE))
            assert (refusal.code, refusal.http_status) == (grpc.StatusCode.INVALID_ARGUMENT, 400)
            assert refusal.reason == "bad_clip"
            assert any(text in refusal.message for text in message.split("|")), refusal.message
        refusal = await _refused(pool.decode({**inputs, "order": np.array([[0, 1, 1]], "uint8")}, _SHAPE))
        assert "expected an order of 3 frames, got" in refusal.message
        for wrong in ({"codec": np.array(b"h264", object)}, {f"{number:0999}": np.zeros(1) for number in range(9)}, {}):
            refusal = await _refused(pool.decode(wrong, _SHAPE))
            assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "bad_clip")
        np.testing.assert_array_equal(await pool.decode(inputs, _SHAPE), codec.decode_inputs(inputs, _SHAPE))
        assert pool.restarts == 0

    _run(scenario)


def test_what_no_process_gets_to_see(inputs):
    async def scenario(pool):
        for wrong, reason in (
            (_repeated(inputs, 5), "too_many_clips"),
            ({**inputs, "packets": np.array([[b"x"] * 10_000], object)}, "too_many_packets"),
            ({**inputs, "packets": np.array([[[b"x"] * 10_000]], object)}, "too_many_packets"),
            ({**inputs, "packets": np.array([[b"x" * 200_000]], object)}, "too_many_bytes"),
            ({**inputs, "order": np.zeros((1, 200_000), "uint8")}, "too_many_bytes"),
        ):
            (worker,) = _workers()
            os.kill(worker, signal.SIGSTOP)
            refusal = await _refused(pool.decode(wrong, _SHAPE))
            os.kill(worker, signal.SIGCONT)
            assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, reason)
        assert (await pool.decode(_repeated(inputs, 4), _SHAPE)).shape == (4, *_SHAPE, 3)

    _run(scenario, max_clips=4, max_bytes=100_000)


def test_memory_is_limited(slow):
    inputs, shape = slow

    async def scenario(pool):
        refusal = await _refused(pool.decode(inputs, shape))
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "decoding_memory")
        assert refusal.message == "decoding the clips took more than 48 MB of memory"
        small = codec.encode(_frames(), "h264").inputs
        np.testing.assert_array_equal(await pool.decode(small, _SHAPE), codec.decode_inputs(small, _SHAPE))
        await _until(lambda: pool.restarts == 1)  # what such a clip leaves behind is not trusted

    _run(scenario, max_memory=48 << 20)


def test_time_is_limited(inputs, slow):
    async def scenario(pool):
        many = _repeated(slow[0], 16)
        refusal, answer = await asyncio.gather(_refused(pool.decode(many, slow[1])), pool.decode(inputs, _SHAPE))
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "decoding_time")
        assert refusal.message == "decoding the clips took more than 1 s"
        np.testing.assert_array_equal(answer, codec.decode_inputs(inputs, _SHAPE))
        await _until(lambda: pool.restarts == 1 and len(_workers()) == 2)

    _run(scenario, num_workers=2, seconds=1.0, max_memory=4 << 30)


def test_a_hang_costs_one_answer(inputs, caplog):
    expected = codec.decode_inputs(inputs, _SHAPE)

    async def scenario(pool):
        (first, second) = sorted(_workers())
        for number in (first, second):
            os.kill(number, signal.SIGSTOP)
        asked = [asyncio.create_task(pool.decode(inputs, _SHAPE)) for _ in range(6)]
        await asyncio.sleep(0.2)  # two are at the processes, the others wait
        assert not any(task.done() for task in asked)
        os.kill(second, signal.SIGCONT)
        answers = await asyncio.gather(*asked, return_exceptions=True)
        (refusal,) = [answer for answer in answers if isinstance(answer, BaseException)]
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "decoding_time")
        for answer in answers:
            if answer is not refusal:
                np.testing.assert_array_equal(answer, expected)
        await _until(lambda: pool.restarts == 1 and len(_workers()) == 2)
        assert first not in _workers()
        np.testing.assert_array_equal(await pool.decode(inputs, _SHAPE), expected)

    with caplog.at_level(logging.WARNING):
        _run(scenario, num_workers=2, seconds=2.0)
    (record,) = caplog.records
    assert record.getMessage() == "a process that decodes clips was lost (exit code -9); starting another one"


def test_a_crash_costs_one_answer(inputs, slow):
    expected = codec.decode_inputs(inputs, _SHAPE)

    async def scenario(pool):
        (worker,) = _workers()
        before = _processor_time(worker)
        victim = asyncio.create_task(_refused(pool.decode(*slow)))
        others = [asyncio.create_task(pool.decode(inputs, _SHAPE)) for _ in range(3)]
        await _until(lambda: _processor_time(worker) > before + 5)
        os.kill(worker, signal.SIGSEGV)
        refusal = await victim
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "decoding_crash")
        assert refusal.message == "the clips crashed the decoder"
        for other in others:
            np.testing.assert_array_equal(await other, expected)
        assert pool.restarts == 1

    _run(scenario)


def test_a_process_that_dies_while_nobody_asks_costs_nothing(inputs):
    async def scenario(pool):
        for restarts in (1, 2):
            (worker,) = _workers()
            os.kill(worker, signal.SIGKILL)
            # At once: it is not known yet. And with the process gone for good, later.
            np.testing.assert_array_equal(await pool.decode(inputs, _SHAPE), codec.decode_inputs(inputs, _SHAPE))
            assert pool.restarts == restarts

    _run(scenario)


def test_too_many_wait_and_whoever_leaves_makes_room(inputs):
    async def scenario(pool):
        (worker,) = _workers()
        os.kill(worker, signal.SIGSTOP)
        asked = [asyncio.create_task(pool.decode(inputs, _SHAPE)) for _ in range(4)]
        await asyncio.sleep(0)
        refusal = await _refused(pool.decode(inputs, _SHAPE))
        assert (refusal.code, refusal.http_status) == (grpc.StatusCode.RESOURCE_EXHAUSTED, 429)
        assert (refusal.reason, refusal.retry_after) == ("decoding_queue", 1.0)
        assert refusal.message == "more than 3 requests wait to be decoded"
        for index in (0, 2):  # one that the process has, one that waits
            asked[index].cancel()
            with pytest.raises(asyncio.CancelledError):
                await asked[index]
        asked.append(asyncio.create_task(pool.decode(inputs, _SHAPE)))
        await asyncio.sleep(0)
        assert (await _refused(pool.decode(inputs, _SHAPE))).reason == "decoding_queue"
        os.kill(worker, signal.SIGCONT)
        for index in (1, 3, 4):
            np.testing.assert_array_equal(await asked[index], codec.decode_inputs(inputs, _SHAPE))
        assert (pool.restarts, _workers()) == (0, {worker})

    _run(scenario, max_waiting=3)


def test_a_pool_that_cannot_start(monkeypatch):
    monkeypatch.setattr("sys.executable", "/bin/false")

    async def scenario():
        async with DecodingPool(2):
            pass

    with pytest.raises(EOFError):
        asyncio.run(scenario())
    assert not _workers()


_LIAR = """
import socket, sys
ours = socket.socket(fileno=int(sys.argv[1]))
ours.sendall(b"R" + bytes(8))
ours.recv(1)
ours.sendall(bytes.fromhex(sys.argv[2]))
ours.recv(1 << 20)
"""


@pytest.mark.parametrize(("kind", "length"), [(b"F", 1), (b"F", 1 << 40), (b"B", 1 << 40), (b"X", 0)])
def test_a_process_that_was_taken_over_is_not_believed(inputs, kind, length, monkeypatch):
    """Nor does it make the gateway reserve memory."""
    answer = worker.ANSWER.pack(kind, length).hex()
    monkeypatch.setattr(
        worker, "command", lambda module, channel, *limits: [sys.executable, "-c", _LIAR, str(channel), answer]
    )

    async def scenario(pool):
        refusal = await _refused(pool.decode(inputs, _SHAPE))
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "decoding_crash")
        await _until(lambda: pool.restarts == 1)

    _run(scenario)


def _started(seconds):
    """A process as the pool starts it, and the socket to it."""
    ours, theirs = socket.socketpair()
    with theirs:
        command = worker.command("tsd_tf.gateway.decoding_worker", theirs.fileno(), seconds, 512 << 20)
        process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stderr=subprocess.DEVNULL)
    ours.settimeout(60)
    assert ours.recv(worker.ANSWER.size) == worker.ANSWER.pack(worker.READY, 0)
    return process, ours


def test_a_process_is_not_left_alone(slow):
    idle, ours = _started(0.1)
    idle.send_signal(signal.SIGINT)  # Ctrl-C, which belongs to the gateway
    with pytest.raises(subprocess.TimeoutExpired):
        idle.wait(0.3)
    ours.close()
    assert idle.wait(30) == 0
    busy, ours = _started(0.1)
    content = pickle.dumps(slow)
    ours.sendall(worker.REQUEST.pack(len(content)) + content)
    ours.close()  # it would notice only with the answer
    assert busy.wait(30) == -signal.SIGALRM


_PROGRAM = """
import asyncio
from tsd_tf.gateway.decoding_pool import DecodingPool

async def main():
    async with DecodingPool(2):
        print("ready", flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


def test_processes_end_with_the_one_that_started_them():
    with subprocess.Popen([sys.executable, "-c", _PROGRAM], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "ready\n"
            workers = _workers(process.pid)
            assert len(workers) == 2
        finally:
            process.kill()

    def are_gone():
        return all(
            not path.exists() or path.read_text().rpartition(")")[2].split()[0] == "Z"
            for path in (pathlib.Path(f"/proc/{worker}/stat") for worker in workers)
        )

    deadline = time.monotonic() + 30
    while not are_gone() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert are_gone()
