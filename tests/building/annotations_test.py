import pathlib

import pytest

import tsd_tf.building.labels
from tsd_tf.building import annotations
from tsd_tf.contract.errors import UserError

LABELS = pathlib.Path(tsd_tf.building.labels.__file__).parent
HEADER = "label,youtube_id,time_start,time_end,split,is_cc\n"


@pytest.fixture
def read_kinetics(tmp_path):
    def read(text, class_names=("air drumming", "massaging person's head")):
        (tmp_path / "k.csv").write_bytes(text.encode())
        return annotations.read_kinetics(tmp_path / "k.csv", list(class_names))

    return read


def test_a_row(read_kinetics):
    (row,) = read_kinetics(HEADER + '"air drumming",--nQbRBEz2s,104,114,val,0\n')
    assert (row.line, row.media_id, row.label, row.label_text) == (2, "--nQbRBEz2s_000104_000114", 0, "air drumming")
    assert (row.time_start, row.time_end) == (104.0, 114.0)
    assert row.stems == (("--nQbRBEz2s_000104_000114", 104.0), ("--nQbRBEz2s", 0.0))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_quotes_line_ends_and_byte_order_mark(read_kinetics, end):
    text = "\ufeff" + HEADER + '"massaging person\'s head",abc,1.0,11.0,val,0\nair_drumming, d_e ,2,12,val,0\n\n'
    rows = read_kinetics(text.replace("\n", end))
    assert [(row.label, row.media_id) for row in rows] == [(1, "abc_000001_000011"), (0, "d_e_000002_000012")]


def test_columns_in_another_order_and_no_label(read_kinetics):
    (row,) = read_kinetics("split,time_end,time_start,youtube_id\ntest,12,2,x\n")
    assert (row.label, row.label_text, row.media_id) == (None, "", "x_000002_000012")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEADER + "abseiling,x,1,2,val,0\n", "line 2: 'abseiling' is not among the 2 classes"),
        (HEADER + "air drumming,x,one,2,val,0\n", "line 2: expected a time_start in seconds, at least 0, got 'one'"),
        (HEADER + "air drumming,x,3,2,val,0\n", "line 2: expected a time_end after time_start 3, got 2"),
        (HEADER + "air drumming,,1,2,val,0\n", "line 2: expected a value for each of youtube_id"),
        (HEADER + "air drumming,x\n", "line 2: expected a value"),
        (HEADER, "lists no videos"),
        ("a,b\n1,2\n", "header line with youtube_id, time_start, time_end, but youtube_id, time_start"),
    ],
)
def test_mistakes_name_the_row(read_kinetics, text, message):
    with pytest.raises(UserError, match=message):
        read_kinetics(text)


def test_missing_files(tmp_path):
    with pytest.raises(UserError, match="cannot read the annotations"):
        annotations.read_kinetics(tmp_path / "none.csv", ["a"])
    with pytest.raises(UserError, match="cannot read the class list"):
        annotations.read_class_list(tmp_path / "none.txt")
    with pytest.raises(UserError, match="`videos_dir` must be a folder of video files. Received: videos_dir=.*none"):
        annotations.index_videos(tmp_path / "none")


def test_class_list(tmp_path):
    (tmp_path / "l.txt").write_bytes(b"a b\r\nc\r\n\r\n")
    assert annotations.read_class_list(tmp_path / "l.txt") == ["a b", "c"]
    (tmp_path / "l.txt").write_text("a\na\n")
    with pytest.raises(UserError, match="none twice"):
        annotations.read_class_list(tmp_path / "l.txt")


@pytest.mark.parametrize("end", ["\v", "\f", "\x1c", "\x85", "\u2028", "\u2029"])
def test_class_list_with_other_ends_of_lines(tmp_path, end):
    """Others would count two lines there, and give the later names other labels."""
    (tmp_path / "l.txt").write_text(f"a\nb{end}c\nd\n", encoding="utf-8")
    with pytest.raises(UserError, match="l.txt, line 2: expected a class name on one line, got 'b"):
        annotations.read_class_list(tmp_path / "l.txt")


@pytest.mark.parametrize(
    ("path", "interval"),
    [
        ("air drumming/x_000104_000114.mp4", (0.0, 10.0)),
        ("air_drumming/x_000104_000114.MP4", (0.0, 10.0)),
        ("x_000104_000114.webm", (0.0, 10.0)),
        ("train/air_drumming/x_000104_000114.mkv", (0.0, 10.0)),
        ("x.mp4", (104.0, 114.0)),
    ],
)
def test_folder_conventions(read_kinetics, tmp_path, path, interval):
    (row,) = read_kinetics(HEADER + "air drumming,x,104,114,val,0\n")
    (tmp_path / "v" / path).parent.mkdir(parents=True)
    (tmp_path / "v" / path).touch()
    (tmp_path / "v" / "x_000104_000114.txt").touch()
    (found,) = annotations.find_candidates(row, annotations.index_videos(tmp_path / "v"), tmp_path / "v")
    assert (found.path, found.data_path) == (str(tmp_path / "v" / path), path)
    assert (found.time_start, found.time_end) == interval
    assert found.may_be_trimmed == (path == "x.mp4")


def test_the_labels_folder_is_preferred_and_the_others_follow(read_kinetics, tmp_path):
    rows = read_kinetics(HEADER + "air drumming,x,1,2,val,0\nmassaging person's head,x,1,2,val,0\n")
    for path in ("x.mp4", "a/x_000001_000002.mp4", "air drumming/x_000001_000002.mp4"):
        (tmp_path / "v" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "v" / path).touch()
    (tmp_path / "v/massaging_person's_head").mkdir()
    (tmp_path / "v/massaging_person's_head/x_000001_000002.mp4").touch()
    videos = annotations.index_videos(tmp_path / "v")
    found = [[c.data_path for c in annotations.find_candidates(row, videos, tmp_path / "v")] for row in rows]
    drumming, massage = "air drumming/x_000001_000002.mp4", "massaging_person's_head/x_000001_000002.mp4"
    assert found == [
        [drumming, "a/x_000001_000002.mp4", massage, "x.mp4"],
        [massage, "a/x_000001_000002.mp4", drumming, "x.mp4"],
    ]


@pytest.fixture
def read_ucf101(tmp_path):
    def read(videos, classes="1 Archery\r\n2 Basket Ball\r\n"):
        (tmp_path / "classInd.txt").write_bytes(classes.encode())
        (tmp_path / "list.txt").write_bytes(videos.encode())
        return annotations.read_ucf101(tmp_path / "classInd.txt", tmp_path / "list.txt")

    return read


def test_ucf101_counts_from_one_and_we_from_zero(read_ucf101):
    rows, names = read_ucf101("Archery/v_A_g01_c01.avi 1\r\nArchery/v_A_g01_c02.avi\r\n", "1 Archery\r\n2 Biking\r\n")
    assert names == ["Archery", "Biking"]
    assert [(row.media_id, row.label, row.time_end) for row in rows] == [
        ("v_A_g01_c01", 0, None),
        ("v_A_g01_c02", 0, None),
    ]


@pytest.mark.parametrize(
    ("videos", "classes", "message"),
    [
        ("Archery/x.avi 2\n", "1 Archery\n2 Biking\n", "line 1: Archery is class 1 in .*classInd.txt, got 2"),
        ("Rowing/x.avi 1\n", "1 Archery\n", "line 1: 'Rowing' is not among the 1 classes"),
        ("x.avi 1\n", "1 Archery\n", "line 1: expected 'ClassName/video.avi"),
        ("Archery/x.avi 1\n", "0 Archery\n", "line 1: expected '1 ClassName', counted from 1, got '0 Archery'"),
        ("\n", "1 Archery\n", "lists no videos"),
    ],
)
def test_mistakes_in_ucf101_lists(read_ucf101, videos, classes, message):
    with pytest.raises(UserError, match=message):
        read_ucf101(videos, classes)


@pytest.fixture
def read_custom(tmp_path):
    def read(text, *arguments):
        (tmp_path / "c.csv").write_bytes(text.encode())
        return annotations.read_custom(tmp_path / "c.csv", *arguments)

    return read


def test_custom_names(read_custom):
    rows, names = read_custom(
        'video,label,time_start,time_end\r\n"a b/it\'s, x.mov",wave,,\r\ny.mp4,"clap, twice",2,3.5\r\n'
    )
    assert names == ["clap, twice", "wave"]
    assert [(row.path, row.label, row.time_start, row.time_end, row.media_id) for row in rows] == [
        ("a b/it's, x.mov", 1, 0.0, None, "a b/it's, x"),
        ("y.mp4", 0, 2.0, 3.5, "y_2_3.5"),
    ]


def test_custom_media_ids_are_each_video_s_own(read_custom):
    text = "video,label,time_start,time_end\n1.mp4,a,,\n1.mov,a,,\n2.mp4,a,1,2\n2.mp4,a,3,4\nclip1.5,a,,\nclip1.6,a,,\n"
    rows, _ = read_custom(text)
    assert [row.media_id for row in rows] == ["1.mp4", "1.mov", "2_1_2", "2_3_4", "clip1.5", "clip1.6"]


def test_exact_names_win_over_underscores_for_spaces(read_custom):
    text = "video,label\nx.mp4,a_b\ny.mp4,a b\nz.mp4,c_d\n"
    for names in (["a_b", "a b", "c d"], ["a b", "a_b", "c d"]):
        assert [row.label_text for row in read_custom(text, names)[0]] == ["a_b", "a b", "c d"]


@pytest.mark.parametrize("first_label", [0, 1])
def test_custom_numbers(read_custom, first_label):
    text = f"video,label\nx.mp4,{first_label}\ny.mp4,{first_label + 1}\n"
    assert [row.label for row in read_custom(text, ["a", "b"], first_label)[0]] == [0, 1]
    with pytest.raises(UserError, match=f"line 2: expected a label from {1 - first_label} to {2 - first_label}, got"):
        read_custom(text if first_label == 0 else text.replace("1", "3"), ["a", "b"], 1 - first_label)


@pytest.mark.parametrize(
    ("text", "arguments", "message"),
    [
        ("video,label\nx.mp4,0\n", (None, 0), "`first_label` needs `class_names`"),
        ("video,label\nx.mp4,c\n", (["a"],), "line 2: 'c' is not among the 1 classes"),
        ("video,label\n../x.mp4,a\n", (), "line 2: expected a path inside the folder of videos, got '../x.mp4'"),
        ("video,label,time_start,time_end\nx.mp4,a,3,2\n", (), "line 2: expected a time_end after time_start 3, got 2"),
        ("video\nx.mp4\n", (), "header line with video, label, but label is missing"),
    ],
)
def test_mistakes_in_custom_lists(read_custom, text, arguments, message):
    with pytest.raises(UserError, match=message):
        read_custom(text, *arguments)


@pytest.mark.parametrize(
    ("written", "there", "found"),
    [
        (" a b .mp4", [" a b .mp4", "a b .mp4"], " a b .mp4"),
        (" a.mp4 ", ["a.mp4"], "a.mp4"),
        ('" a.mp4"', [" a.mp4"], " a.mp4"),
        ("a.mp4 ", ["a.mp4 "], "a.mp4 "),
        ('"12:30:05, x.mp4"', ["12:30:05, x.mp4"], "12:30:05, x.mp4"),
        ("..a.mp4", ["..a.mp4"], "..a.mp4"),
    ],
)
def test_names_are_taken_as_they_are_or_without_the_spaces_around_them(read_custom, tmp_path, written, there, found):
    (tmp_path / "v").mkdir()
    for name in there:
        (tmp_path / "v" / name).touch()
    rows, _ = read_custom(f"video, label\n{written}, wave\n")
    (candidate,) = annotations.find_candidates(rows[0], {}, tmp_path / "v")
    assert (candidate.data_path, rows[0].label_text) == (found, "wave")


def test_a_quote_behind_a_space(read_custom):
    rows, _ = read_custom('video, label\n"a, b.mp4", "x, y"\n c.mp4, z\n')
    assert [(row.path, row.label_text) for row in rows] == [("a, b.mp4", "x, y"), ("c.mp4", "z")]


@pytest.mark.parametrize("line", ["Archery/ v 1: a b.avi 1", "Archery/ v 1: a b.avi", "Archery/ v 1: a b.avi\t1"])
@pytest.mark.parametrize("name", [" v 1: a b.avi", "v 1: a b.avi"])
def test_ucf101_names_with_spaces(read_ucf101, tmp_path, line, name):
    (row,), _ = read_ucf101(line + "\r\n")
    (tmp_path / "v/Archery").mkdir(parents=True)
    (tmp_path / "v/Archery" / name).touch()
    (found,) = annotations.find_candidates(row, annotations.index_videos(tmp_path / "v"), tmp_path / "v")
    assert (row.media_id, row.label, found.data_path) == ("v 1: a b", 0, f"Archery/{name}")


def test_real_lists(test_data):
    kinetics = annotations.read_class_list(LABELS / "kinetics400.txt")
    rows = annotations.read_kinetics(test_data / "annotations/kinetics-400_val.csv", kinetics)
    assert len(rows) == 19_906
    assert {row.label for row in rows} == set(range(400))
    unlabelled = annotations.read_kinetics(test_data / "annotations/kinetics-400_test.csv", kinetics)
    assert len(unlabelled) == 38_685
    assert {row.label for row in unlabelled} == {None}
    lists = test_data / "annotations/ucf101"
    sizes = {"train": (9537, 9586, 9624), "test": (3783, 3734, 3696)}
    for part, counts in sizes.items():
        for number, count in enumerate(counts, 1):
            rows, names = annotations.read_ucf101(lists / "classInd.txt", lists / f"{part}list0{number}.txt")
            assert len(rows) == count
            assert names == annotations.read_class_list(LABELS / "ucf101.txt")
