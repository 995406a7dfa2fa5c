"""The TFRecord container without TensorFlow: framing, CRC-32C, and exactly where a file is damaged.

A record is: length (uint64), masked CRC of the length (uint32), payload, masked CRC of the payload (uint32), all little
endian. Source: https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details.
"""

import struct
from collections.abc import Iterator
from typing import Any, BinaryIO

import google_crc32c

_HEADER = struct.Struct("<QI")
_FOOTER = struct.Struct("<I")


class DamagedRecordError(Exception):
    """A TFRecord file holds something other than whole records; the message says what.

    Attributes:
        offset: the byte at which the record begins.
    """

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.offset = offset


def frame(payload: bytes) -> bytes:
    """One record as the bytes of a TFRecord file."""
    length = struct.pack("<Q", len(payload))
    return length + _FOOTER.pack(_masked_crc(length)) + payload + _FOOTER.pack(_masked_crc(payload))


def read_records(file: BinaryIO, check_payloads: bool = True) -> Iterator[tuple[int, Any]]:
    """Yields (offset, payload) of every record of a binary file object.

    Args:
        file: open for reading, at its start; anything with read() and seek().
        check_payloads: False skips the payloads and yields their lengths instead: quick, but finds truncation only.

    Raises:
        DamagedRecordError: at the first record that is not whole.
    """
    offset, size = 0, _size(file)
    while offset < size:
        length, following = _read_header(file, offset, size)
        yield offset, _check_payload(file, offset, length) if check_payloads else length
        offset = following
        file.seek(offset)


def scan(file: BinaryIO) -> Iterator[tuple[int, bytes | DamagedRecordError]]:
    """Yields (offset, payload or DamagedRecordError); continues after a damaged payload, but not a damaged length.

    Args:
        file: open for reading, at its start.
    """
    try:
        for offset, length in read_records(file, check_payloads=False):
            try:
                yield offset, read_record(file, offset, length)
            except DamagedRecordError as error:
                yield offset, error
    except DamagedRecordError as error:
        yield error.offset, error


def index(file: BinaryIO) -> list[tuple[int, int]]:
    """The place of every record: list of (offset, length of its payload), found by the lengths alone.

    Args:
        file: open for reading, at its start.

    Raises:
        DamagedRecordError: a length is damaged, or the file truncated: what follows cannot be found.
    """
    return list(read_records(file, check_payloads=False))


def read_record(file: BinaryIO, offset: int, length: int) -> bytes:
    """The payload of one record.

    Args:
        file: open for reading, anywhere.
        offset, length: an item of `index`.

    Raises:
        DamagedRecordError: the checksum does not match.
    """
    file.seek(offset + _HEADER.size)
    return _check_payload(file, offset, length)


def read_part(file: BinaryIO, offset: int, begin: int, end: int) -> bytes:
    """Some bytes of a record's payload; the checksum, which is that of the whole payload, is not compared.

    Args:
        file: open for reading, anywhere.
        offset: where the record begins.
        begin, end: which bytes of the payload.

    Raises:
        DamagedRecordError: the file ends before.
    """
    file.seek(offset + _HEADER.size + begin)
    part = file.read(end - begin)
    if len(part) < end - begin:
        raise DamagedRecordError(f"truncated: the file ends within the record at byte {offset}", offset)
    return part


def _masked_crc(data):
    """CRC-32C, rotated and shifted as the format asks."""
    crc = google_crc32c.value(bytes(data))
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _size(file):
    file.seek(0, 2)
    size = file.tell()
    file.seek(0)
    return size


def _read_header(file, offset, size):
    header = file.read(_HEADER.size)
    if len(header) < _HEADER.size:
        raise DamagedRecordError(f"truncated: the file ends at byte {size}, within the record at byte {offset}", offset)
    length, expected = _HEADER.unpack(header)
    if _masked_crc(header[:8]) != expected:
        raise DamagedRecordError(
            f"the length of the record at byte {offset} is damaged, or this is not a TFRecord file", offset
        )
    following = offset + _HEADER.size + length + _FOOTER.size
    if following > size:
        raise DamagedRecordError(
            f"truncated: the record at byte {offset} ends at {following}, the file at {size}", offset
        )
    return length, following


def _check_payload(file, offset, length):
    payload, footer = file.read(length), file.read(_FOOTER.size)
    if footer != _FOOTER.pack(_masked_crc(payload)):
        raise DamagedRecordError(f"the record at byte {offset} is damaged: its checksum does not match", offset)
    return payload
