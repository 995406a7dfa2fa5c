"""Damages to files: pure functions of bytes and a seeded generator, for the fuzzing of what reads videos and shards."""

import random
import re
import struct
from collections.abc import Callable, Mapping

WIDTH, HEIGHT = 96, 64  # of the pictures in the files that are damaged

_MAX_BYTES = 1 << 20  # of a damaged file
_NUMBERS = (0, 1, 2, 7, 8, 0x7F, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 1 << 24, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF0, 0xFFFFFFFF)
_SIZES = (1, 3, 15, 97, 1023, 4096, 8190, 16384, 32768, 65500, 65535)  # of pictures, in pixels
# ISO 14496-12: boxes that hold boxes, and how many bytes of their own come first.
_BOXES = {b"meta": 4, b"stsd": 8, b"avc1": 78, b"hvc1": 78, b"hev1": 78, b"av01": 78}
for _name in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"udta", b"dinf", b"mvex", b"moof", b"traf"):
    _BOXES[_name] = 0
# Segment, info, track, tags, cluster, cue and block of Matroska.
_MATROSKA = (
    rb"\x18\x53\x80\x67|\x15\x49\xa9\x66|\x16\x54\xae\x6b|\x12\x54\xc3\x67|\x1f\x43\xb6\x75|\x1c\x53\xbb\x6b|\xa3"
)
_OTHERS = rb"\x00\x00\x01|\x21\xf9\x04|\x82\x00\x00"  # start codes of MPEG and H.264, GIF's blocks, ASF's packets


def mutate(content: bytes, seed: int, other: bytes = b"") -> tuple[bytes, str]:
    """Damages a file in one to three ways.

    Args:
        content: of a whole file.
        seed: the same one gives the same damage.
        other: of a file of another format, whose parts may be mixed in.

    Returns:
        (the damaged bytes, the names of what was done)
    """
    generator = random.Random(seed)
    names = []
    for _ in range(generator.choice((1, 1, 1, 2, 3))):
        mutation = generator.choice(_MUTATIONS)
        names.append(mutation.__name__.strip("_"))
        content = mutation(content, generator, other)[:_MAX_BYTES]
    return content, " + ".join(names)


def mutated_one(originals: Mapping[str, bytes], seed: int) -> tuple[str, bytes, str]:
    """One of several files, damaged.

    Args:
        originals: {name: bytes of the file}; consecutive seeds take one after the other.
        seed: the same one gives the same damage to the same files.

    Returns:
        (name, damaged bytes, the names of what was done)
    """
    names = sorted(originals)
    name, other = names[seed % len(names)], random.Random(seed).choice(names)
    return name, *mutate(originals[name], seed, originals[other])


def chunks(content: bytes) -> list[tuple[int, int]]:
    """The (start, end) of what a file consists of: boxes, chunks, packets or pages; those inside others too."""
    if content[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free"):
        return _boxes(content, 0, len(content))
    if content[:4] == b"RIFF":
        return _riff_chunks(content, 12, len(content))
    if content[:8] == b"\x89PNG\r\n\x1a\n":
        return _png_chunks(content)
    if content[:1] == b"\x47" and content[188:189] == b"\x47":
        return [(at, at + 188) for at in range(0, len(content) - 187, 188)]
    marks = _MATROSKA if content[:4] == b"\x1a\x45\xdf\xa3" else _OTHERS
    starts = [match.start() for match in re.finditer(marks, content, re.DOTALL)]
    if not content:
        return []
    if len(starts) < 3:
        starts = list(range(0, len(content), max(1, len(content) // 16)))
    return list(zip(starts, [*starts[1:], len(content)], strict=True))


def _boxes(content: bytes, start: int, end: int) -> list[tuple[int, int]]:
    found = []
    while start + 8 <= end:
        size, name = struct.unpack_from(">I4s", content, start)
        following = min(end, start + size) if size >= 8 else end
        found.append((start, following))
        if name in _BOXES:
            found += _boxes(content, start + 8 + _BOXES[name], following)
        start = following
    return found


def _riff_chunks(content: bytes, start: int, end: int) -> list[tuple[int, int]]:
    found = []
    while start + 8 <= end:
        name, size = struct.unpack_from("<4sI", content, start)
        following = min(end, start + 8 + size + size % 2)
        found.append((start, following))
        if name in (b"LIST", b"ANMF"):
            found += _riff_chunks(content, start + (12 if name == b"LIST" else 24), following)
        start = following
    return found


def _png_chunks(content: bytes) -> list[tuple[int, int]]:
    found, start = [], 8
    while start + 12 <= len(content):
        following = min(len(content), start + 12 + int.from_bytes(content[start : start + 4], "big"))
        found.append((start, following))
        start = following
    return found


def _overwritten(content: bytes, at: int, new: bytes) -> bytes:
    return content[:at] + new + content[at + len(new) :]


def _place(content: bytes, generator: random.Random) -> int:
    """Somewhere, half of the time near a border between chunks, where the headers are."""
    borders = chunks(content)
    if borders and generator.random() < 0.5:
        start, end = generator.choice(borders)
        return generator.randrange(start, max(start + 1, min(end, start + 64)))
    return generator.randrange(max(1, len(content)))


def _cut_off(content: bytes, generator: random.Random, other: bytes) -> bytes:
    return content[: generator.randrange(len(content) + 1)]


def _cut_out(content: bytes, generator: random.Random, other: bytes) -> bytes:
    start = _place(content, generator)
    return content[:start] + content[start + generator.choice((1, 4, 64, 188, 1000)) :]


def _flip_bits(content: bytes, generator: random.Random, other: bytes) -> bytes:
    damaged = bytearray(content)
    for _ in range(generator.choice((1, 4, 16, 64)) if content else 0):
        damaged[generator.randrange(len(damaged))] ^= 1 << generator.randrange(8)
    return bytes(damaged)


def _flip_bits_of_a_header(content: bytes, generator: random.Random, other: bytes) -> bytes:
    damaged = bytearray(content)
    for _ in range(generator.choice((1, 2, 4)) if content else 0):
        damaged[_place(content, generator)] ^= 1 << generator.randrange(8)
    return bytes(damaged)


def _overwrite(content: bytes, generator: random.Random, other: bytes) -> bytes:
    count = generator.choice((1, 8, 64, 512))
    new = bytes(count) if generator.random() < 0.3 else generator.randbytes(count)
    return _overwritten(content, _place(content, generator), new)


def _repeat(content: bytes, generator: random.Random, other: bytes) -> bytes:
    start, end = generator.choice(chunks(content) or [(0, len(content))])
    return content[:end] + content[start:end] * generator.choice((1, 2, 100)) + content[end:]


def _swap_chunks(content: bytes, generator: random.Random, other: bytes) -> bytes:
    found = chunks(content)
    if len(found) < 2:
        return content
    (a, b), (c, d) = sorted(generator.sample(found, 2))
    if b > c:  # one holds the other
        return content[:a] + content[c:d] + content[a:c] + content[d:]
    return content[:a] + content[c:d] + content[b:c] + content[a:b] + content[d:]


def _drop_chunk(content: bytes, generator: random.Random, other: bytes) -> bytes:
    start, end = generator.choice(chunks(content) or [(0, 0)])
    return content[:start] + content[end:]


def _wrong_number(content: bytes, generator: random.Random, other: bytes) -> bytes:
    """A size, a count, a time or anything else becomes an extreme one."""
    width, order = generator.choice((1, 2, 4, 4, 8)), generator.choice((">", "<"))
    number = generator.choice(_NUMBERS) & ((1 << 8 * width) - 1)
    return _overwritten(
        content, _place(content, generator), number.to_bytes(width, "big" if order == ">" else "little")
    )


def _wrong_chunk_size(content: bytes, generator: random.Random, other: bytes) -> bytes:
    start, end = generator.choice(chunks(content) or [(0, 0)])
    is_riff = content[:4] == b"RIFF"
    size = (end - start + generator.choice((-9, -1, 1, 8, 100)) if generator.random() < 0.5 else 0) or generator.choice(
        _NUMBERS
    )
    return _overwritten(content, start + 4 * is_riff, (size & 0xFFFFFFFF).to_bytes(4, "little" if is_riff else "big"))


def _wrong_picture_size(content: bytes, generator: random.Random, other: bytes) -> bytes:
    """A width or a height that is written in whole bytes becomes another one."""
    pattern = b"|".join(
        re.escape(struct.pack(kind, size - less))
        for kind in (">H", "<H")
        for size in (WIDTH, HEIGHT, WIDTH // 2, HEIGHT // 2)  # as they are and as the builder stores them
        for less in (0, 1)
    )
    places = [match.start() for match in re.finditer(pattern, content, re.DOTALL)]
    for place in generator.sample(places, min(len(places), generator.choice((1, 2, 4)))):
        kind = ">H" if content[place] == 0 else "<H"
        content = _overwritten(content, place, struct.pack(kind, generator.choice(_SIZES)))
    return content


def _others_header(content: bytes, generator: random.Random, other: bytes) -> bytes:
    count = generator.choice((4, 12, 64, 512, 2048))
    return other[:count] + content[generator.choice((0, count)) :]


def _others_chunk(content: bytes, generator: random.Random, other: bytes) -> bytes:
    start, end = generator.choice(chunks(other) or [(0, 0)])
    at = generator.choice(chunks(content) or [(0, 0)])[0]
    return content[:at] + other[start:end] + content[at:]


_MUTATIONS: tuple[Callable[[bytes, random.Random, bytes], bytes], ...] = (
    _cut_off,
    _cut_out,
    _flip_bits,
    _flip_bits_of_a_header,
    _overwrite,
    _repeat,
    _swap_chunks,
    _drop_chunk,
    _wrong_number,
    _wrong_number,
    _wrong_chunk_size,
    _wrong_picture_size,
    _wrong_picture_size,
    _others_header,
    _others_chunk,
)
