import io

import numpy as np
import pytest
import tensorflow as tf

from tsd_tf.data import tfrecord

LENGTHS = [0, 1, 7, 300, 4096, 100_003]


@pytest.fixture(scope="module")
def payloads():
    generator = np.random.default_rng(0)
    return [generator.bytes(length) for length in LENGTHS]


def test_frames_are_tensorflows(payloads, tmp_path):
    with tf.io.TFRecordWriter(str(tmp_path / "by_tensorflow")) as writer:
        for payload in payloads:
            writer.write(payload)
    assert b"".join(map(tfrecord.frame, payloads)) == (tmp_path / "by_tensorflow").read_bytes()


def test_reads_back_with_offsets(payloads):
    records = list(tfrecord.read_records(io.BytesIO(b"".join(map(tfrecord.frame, payloads)))))
    assert [payload for _, payload in records] == payloads
    assert [offset for offset, _ in records] == np.cumsum([0] + [length + 16 for length in LENGTHS[:-1]]).tolist()


def test_lengths_alone(payloads):
    file = io.BytesIO(b"".join(map(tfrecord.frame, payloads)))
    assert [length for _, length in tfrecord.read_records(file, check_payloads=False)] == LENGTHS


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda content: content[:-1], "truncated: the record at byte 4484"),
        (lambda content: content[:40], "truncated: the file ends at byte 40, within the record at byte 33"),
        (lambda content: content[:80] + b"!" + content[81:], "record at byte 56 is damaged: its checksum"),
        (lambda content: b"!" + content[1:], "length of the record at byte 0 is damaged"),
    ],
)
def test_damage_is_found_where_it_is(payloads, damage, message):
    content = b"".join(map(tfrecord.frame, payloads))
    with pytest.raises(tfrecord.DamagedRecordError, match=message):
        list(tfrecord.read_records(io.BytesIO(damage(content))))


def test_one_record_is_read_where_the_index_says(payloads):
    content = bytearray(b"".join(map(tfrecord.frame, payloads)))
    content[80] ^= 1  # in the payload of the record at byte 56
    file = io.BytesIO(content)
    places = tfrecord.index(file)
    for number in (5, 0, 4):
        assert tfrecord.read_record(file, *places[number]) == payloads[number]
    with pytest.raises(tfrecord.DamagedRecordError, match="record at byte 56"):
        tfrecord.read_record(file, *places[3])
    # The file has become shorter since.
    with pytest.raises(tfrecord.DamagedRecordError, match="record at byte 4484"):
        tfrecord.read_record(io.BytesIO(content[:-1]), *places[5])
