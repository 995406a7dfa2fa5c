import json
import struct

import cv2
import numpy as np
import pytest

from tsd_tf.building import verification
from tsd_tf.contract import schema
from tsd_tf.data import sequence_example, tfrecord


def jpeg(level, size=(24, 36)):
    return cv2.imencode(".jpg", np.full((*size, 3), level, np.uint8))[1].tobytes()


def record(media_id="m", label=0, num_frames=3, **changes):
    context = {
        schema.MEDIA_ID: media_id,
        schema.IMAGE_FORMAT: "JPEG",
        schema.IMAGE_FRAME_RATE: 25.0,
        schema.IMAGE_HEIGHT: 24,
        schema.IMAGE_WIDTH: 36,
        schema.LABEL_INDEX: label,
        schema.LABEL_STRING: ["a b", "c"][label] if label in (0, 1) else "?",
    }
    lists = {
        schema.IMAGE_ENCODED: [jpeg(min(50 * i, 255)) for i in range(num_frames)],
        schema.IMAGE_TIMESTAMP: [40_000 * i for i in range(num_frames)],
    }
    context |= changes.get("context", {})
    for key in changes.get("without", ()):
        del context[key]
    return sequence_example.encode(context, lists | changes.get("lists", {}))


@pytest.fixture
def write(tmp_path):
    """Writes shards, labels and manifests as a builder would; returns the folder."""

    def write(*shards):
        manifest, rows = {}, "media_id,shard\n"
        for index, payloads in enumerate(shards):
            path = tmp_path / f"train-{index:05d}-of-{len(shards):05d}"
            path.write_bytes(b"".join(map(tfrecord.frame, payloads)))
            manifest[path.name] = {"records": len(payloads), "bytes": path.stat().st_size}
            for payload in payloads:
                media_id = sequence_example.decode(payload)[0].get(schema.MEDIA_ID, [b""])[0].decode()
                rows += f"{media_id},{path.name}\n"
        (tmp_path / "labels.txt").write_text("a b\nc\n")
        (tmp_path / "manifest-train.json").write_text(json.dumps({"shards": manifest}))
        (tmp_path / "manifest-train.csv").write_text(rows)
        return tmp_path

    return write


@pytest.fixture
def verify(run_program):
    def verify(folder, *arguments):
        done = run_program("tfrecords.verify", folder, "--processes=1", *arguments)
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode, done.stdout.splitlines()

    return verify


def test_whole_shards_and_their_contact_sheet(write, verify, tmp_path):
    folder = write([record("1"), record("2", 1)], [record("3", 1, num_frames=9)])
    code, lines = verify(folder, f"--contact_sheet={tmp_path}/sheet.png", "--clips=2")
    assert code == 0
    assert lines[0].startswith("train: 2 shards, 3 records, 15 frames, 0.0 MB: no problems")
    assert lines[1:] == [f"{tmp_path}/sheet.png: 2 clips"]
    sheet = cv2.imread(f"{tmp_path}/sheet.png")
    assert sheet.shape == (2 * (18 + 96 + 4), 8 * 144, 3)
    assert [int(sheet[60, 72 + 144 * k].mean().round()) for k in (0, 7)] == [0, 100]  # first and last frame of "1"
    assert sheet[:18].min() < 100  # its name
    assert not list(tmp_path.glob(".*"))


def test_a_record_without_a_label_is_no_damage(write, verify):
    code, lines = verify(write([record(without=[schema.LABEL_INDEX, schema.LABEL_STRING])]))
    assert code == 0
    assert "1 records, 1 of them without a label" in lines[0]


def test_everything_that_is_wrong_is_named(write, verify):
    payloads = [
        record("good"),
        record("label", 2),
        record("text", context={schema.LABEL_STRING: "c"}),
        record("", 1),
        record("rate", without=[schema.IMAGE_FRAME_RATE]),
        record("frames", lists={schema.IMAGE_ENCODED: [jpeg(0), jpeg(0)[:-20], b"x"]}),
        record("sizes", lists={schema.IMAGE_ENCODED: [jpeg(0), jpeg(0, (24, 30)), jpeg(0)]}),
        record("size", context={schema.IMAGE_WIDTH: 37}),
        record("times", lists={schema.IMAGE_TIMESTAMP: [0, 5, 5]}),
        record("count", lists={schema.IMAGE_TIMESTAMP: [0]}),
        record("none", lists={schema.IMAGE_ENCODED: []}),
    ]
    code, lines = verify(write(payloads))
    assert code == 1
    expected = [
        "record 1 (label) at byte {1}: clip/label/index: expected a label from 0 to 1, got [2]",
        "record 2 (text) at byte {2}: clip/label/string: expected 'a b', label 0 of labels.txt, got [b'c']",
        "record 3 () at byte {3}: clip/media_id: expected one value of type bytes, got [b'']",
        "record 4 (rate) at byte {4}: image/frame_rate: expected one value of type float, got []",
        "record 5 (frames) at byte {5}: 2 of 3 frames are not a whole JPEG; the first is frame 1",
        "record 6 (sizes) at byte {6}: expected frames of one size, got [(24, 30), (24, 36)]",
        "record 7 (size) at byte {7}: expected frames of 37 x 24 pixels, got 36 x 24",
        "record 8 (times) at byte {8}: image/timestamp: the times do not ascend",
        "record 9 (count) at byte {9}: image/timestamp: expected 3 times, one per frame, got 1",
        "record 10 (none) at byte {10}: image/encoded: expected JPEG frames, got none",
    ]
    offsets = np.cumsum([0] + [len(tfrecord.frame(payload)) for payload in payloads]).tolist()
    assert lines[:-1] == ["train-00000-of-00001: " + line.format(*offsets) for line in expected]
    assert lines[-1].endswith("10 problems")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"context": {schema.IMAGE_HEIGHT: [24, 24]}}, ["expected frames of 36 x 24, 24 pixels, got 36 x 24"]),
        ({"context": {schema.IMAGE_WIDTH: "36"}}, ["expected frames of b'36' x 24 pixels, got 36 x 24"]),
        ({"context": {schema.MEDIA_ID: 7}}, ["clip/media_id: expected one value of type bytes, got [7]"]),
        (
            {"lists": {schema.IMAGE_TIMESTAMP: ["a", "b", "c"]}},
            ["image/timestamp: expected one integer for each frame, got [b'a']"],
        ),
        ({"context": {schema.LABEL_STRING: 7}, "without": [schema.LABEL_INDEX]}, []),
    ],
)
def test_a_field_of_the_wrong_kind_is_named(tmp_path, changes, expected):
    (tmp_path / "shard").write_bytes(tfrecord.frame(record(**changes)))
    found = verification.verify_shard(tmp_path / "shard", ["a b", "c"]).problems
    assert [problem.partition("at byte 0: ")[2] for problem in found] == expected


def test_a_name_of_several_lines_is_shown_in_one(tmp_path):
    (tmp_path / "shard").write_bytes(tfrecord.frame(record("a\r\nb", label=7)))
    (problem,) = verification.verify_shard(tmp_path / "shard", ["a b"]).problems
    assert problem.startswith(r"record 0 (a\r\nb) at byte 0: ")


@pytest.mark.parametrize("size", [(16384, 65500), (65500, 65500), (0, 65500)])
def test_pictures_that_promise_too_much(tmp_path, size):
    """Few bytes that would become 3 GB in memory, or that OpenCV refuses with an error of its own."""
    picture = jpeg(50)
    place = picture.index(b"\xff\xc0") + 5
    picture = picture[:place] + struct.pack(">2H", *size) + picture[place + 4 :]
    lists = {schema.IMAGE_ENCODED: [jpeg(0), picture], schema.IMAGE_TIMESTAMP: [0, 40_000]}
    (tmp_path / "shard").write_bytes(tfrecord.frame(record(lists=lists)))
    (problem,) = verification.verify_shard(tmp_path / "shard", ["a b"]).problems
    assert problem.endswith("1 of 2 frames are not a whole JPEG; the first is frame 1")


def test_a_jpeg_with_thumbnail_and_padding(tmp_path):
    """Other builders keep what cameras write before the frame's header, fill bytes too."""
    picture = jpeg(50)
    thumbnail = b"\xff\xe1" + struct.pack(">H", 2 + len(picture)) + picture
    lists = {schema.IMAGE_ENCODED: [picture[:2] + thumbnail + b"\xff\xff" + picture[2:]], schema.IMAGE_TIMESTAMP: [0]}
    (tmp_path / "shard").write_bytes(tfrecord.frame(record(lists=lists)))
    assert verification.verify_shard(tmp_path / "shard", ["a b"]).problems == []


def test_damaged_bytes_are_found_and_what_follows_is_read(write, verify):
    folder = write([record(str(i)) for i in range(3)], [record("3")], [record("4")])
    size = len(tfrecord.frame(record("0")))
    for shard, at in ((0, size + 100), (1, 3)):
        path = folder / f"train-0000{shard}-of-00003"
        content = bytearray(path.read_bytes())
        content[at] ^= 1
        path.write_bytes(content)
    path = folder / "train-00002-of-00003"
    path.write_bytes(path.read_bytes()[:-1])
    code, lines = verify(folder)
    assert code == 1
    assert lines[:3] == [
        f"train-00000-of-00003: record 1: the record at byte {size} is damaged: its checksum does not match",
        "train-00001-of-00003: record 0: the length of the record at byte 0 is damaged, or this is not a TFRecord file",
        f"train-00002-of-00003: record 0: truncated: the record at byte 0 ends at {size}, the file at {size - 1}",
    ]
    assert "train-00000-of-00003: 1 clips of manifest-train.csv are not in it; the first is 1" in lines
    assert f"train-00002-of-00003: expected {size} bytes by manifest-train.json, got {size - 1}" in lines
    assert lines[-1].startswith("train: 3 shards, 2 records, 6 frames")


def test_missing_and_empty_shards(write, verify):
    folder = write([record("0")], [record("1")], [record("2")])
    (folder / "train-00000-of-00003").unlink()
    (folder / "train-00001-of-00003").write_bytes(b"")
    code, lines = verify(folder)
    assert code == 1
    assert "train-00001-of-00003: the shard is empty" in lines
    assert "train: 1 of 3 train shards is missing (train-00000-of-00003): copy it again" in lines
    assert "train-00000-of-00003: manifest-train.json lists it, but it is missing" in lines


def test_a_class_list_that_others_would_read_as_another(write, run_program):
    folder = write([record("0")])
    (folder / "labels.txt").write_text("a\u2028b\nc\n", encoding="utf-8")
    done = run_program("tfrecords.verify", folder)
    assert done.returncode == 1
    assert done.stderr == f"error: {folder}/labels.txt, line 1: expected a class name on one line, got 'a\\u2028b'\n"


def test_no_folder(tmp_path, run_program):
    for folder, message in ((tmp_path / "none", "is no folder"), (tmp_path, "no shards: looked for")):
        done = run_program("tfrecords.verify", folder)
        assert done.returncode == 1
        assert message in done.stderr
        assert "Traceback" not in done.stderr
