"""The process in which a JsonReader reads large bodies; TensorFlow is not in it."""

import gc
import json
import struct

import numpy as np

from tsd_tf.serving import json_request, worker
from tsd_tf.serving.input_spec import Signatures
from tsd_tf.serving.json_request import JsonRequest

_NICENESS = 10  # nobody waits for a model because somebody writes numbers in decimal
_HEADER = struct.Struct("<Q")  # the bytes of the JSON that follows, and says what the bytes after it are


def main() -> None:
    """What the process does."""
    gc.disable()  # JSON makes no cycles, and many objects, which it would look at again and again
    worker.work(_answer, _NICENESS)


def _answer(request: tuple[bytes, Signatures]) -> memoryview:
    return memoryview(pack(json_request.read(*request)))


def pack(request: JsonRequest) -> bytes:
    """As bytes, which hold no code as pickles do."""
    header, parts = [], []
    for alias, array in request.inputs.items():
        if array.dtype == object:
            lengths = np.array([len(value) for value in array.flat], np.int64)
            contents = [lengths.tobytes(), *array.flat]
            dtype = ""
        else:
            contents, dtype = [array.tobytes()], array.dtype.str
        header.append((alias, dtype, array.shape, sum(map(len, contents))))
        parts += contents
    text = json.dumps((request.signature, request.row, header)).encode()
    return b"".join([_HEADER.pack(len(text)), text, *parts])


def unpack(content: memoryview) -> JsonRequest:
    """What was packed.

    Raises:
        ValueError, KeyError, TypeError, struct.error: it is something else.
    """
    (size,) = _HEADER.unpack_from(content)
    at = _HEADER.size + size
    signature, row, header = json.loads(bytes(content[_HEADER.size : at]))
    inputs = {}
    for alias, dtype, shape, num_bytes in header:
        part = content[at : at + num_bytes]
        at += num_bytes
        inputs[str(alias)] = (np.frombuffer(part, dtype) if dtype else _strings(part, shape)).reshape(shape)
    return JsonRequest(str(signature), inputs, bool(row))


def _strings(part: memoryview, shape: list[int]) -> np.ndarray:
    count = int(np.prod(shape))
    lengths = np.frombuffer(part, np.int64, count)
    if (lengths < 0).any() or lengths.sum() != len(part) - lengths.nbytes:
        raise ValueError("the lengths of strings do not fit")
    ends = lengths.nbytes + np.cumsum(lengths)
    values = np.empty(count, object)
    values[:] = [bytes(part[end - length : end]) for end, length in zip(ends, lengths, strict=True)]
    return values
