"""Tables rebuilt from written results, through the program."""

import csv
import json
import pathlib
import subprocess
import sys

import cv2
import pytest

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).resolve().parents[2]


CODINGS = [
    {
        "what": what,
        "codec": codec,
        "quality": quality,
        "bytes_per_clip": size,
        "top1": top1,
        "top1_standard_error": 0.02,
    }
    for what, codec, quality, size, top1 in [
        ("distilled", "jpeg", 50, 31234.4, 0.58),
        ("distilled", "h264", 24, 4000.0, 0.59),
        ("distilled", "h264", 28, 1000.0, 0.57),
        ("distilled", "raw", None, 750000.0, 0.60),
        ("whole_clip", "h264", 24, 16000.0, 0.58),
        ("whole_clip", "h264", 28, 8000.0, 0.50),
    ]
]


def report(*arguments, folder):
    command = [sys.executable, "-m", "tsd_tf.evaluation.report", *arguments]
    return subprocess.run(
        command, cwd=folder, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=300
    )


def rows_of(markdown, heading):
    """The cells of the table below a heading, header first."""
    section = markdown.split(f"## {heading}")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[:1] + lines[2:]]


def lines_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def written(tmp_path_factory, write_result):
    """The report of some of the runs of every table, with the paper's numbers: its folder."""
    folder = tmp_path_factory.mktemp("report")
    runs = folder / "runs"
    for clips, top1 in ((1, 0.30), (3, 0.40)):
        write_result(runs, top1, "i3d", 5, 5, clips, name="i3d")
    write_result(runs, 0.425, "i3d_e", 20, 5)
    for seed, top1 in ((0, 0.60), (1, 0.62), (2, 0.67)):
        write_result(runs, top1, run_seed=seed)
    write_result(runs, 0.50, num_frames=10)
    write_result(runs, 0.45, "i3d_r", 16, 8)  # no row of the paper's
    write_result(runs, 0.99, split="train", name="on_training_data", num_frames=40, num_distilled_frames=10)
    for number, top1 in ((1, 0.80), (2, 0.82), (3, 0.87)):
        options = {"dataset": "ucf101", "split_of_ucf101": number, "clips": 1}
        write_result(runs, top1, name=f"split{number}_tsd", **options)
        if number == 1:
            write_result(runs, 0.75, "i3d", 5, 5, name="split1_i3d", **options)
    coding = {"variant": "int8", "codec": "jpeg", "quality": 50, "bytes_sent_per_clip": 31234.4}
    coding |= {"codings": CODINGS, "bytes_at_equal_accuracy": []}
    write_result(runs, 0.58, source="export", export_dir="export", name="export", **coding)
    done = report("runs", "--paper", folder=folder)
    assert done.returncode == 0, done.stderr
    assert (folder / "report/report.md").read_text() in done.stdout
    return folder / "report"


def test_table_2(written):
    rows = rows_of((written / "report.md").read_text(), "Table 2")
    assert rows[0][:7] == ["#sampled frames (T_s)", "Clip length (T)", "I3D"] + [
        f"{name} / Δ" for name in ("I3D_A", "I3D_R", "I3D_E", "I3D+TSD")
    ]
    assert rows[0][7:] == [f"paper's {name}" for name in ("I3D", "I3D_A", "I3D_R", "I3D_E", "I3D+TSD")]
    cells = {tuple(row[:2]): row[2:] for row in rows[1:]}
    assert cells["5", "5"] == ["40.0", "no run", "-", "-", "-", "36.7", "34.6", "-", "-", "-"]
    tsd = "63.0 ± 3.6 (3 runs) / +23.0"
    assert cells["5", "20"] == ["-", "no run", "no run", "42.5 / +2.5", tsd, "-", "36.1", "40.9", "41.7", "65.9"]
    assert cells["5", "10"][:5] == ["-", "no run", "no run", "no run", "50.0 / +10.0"]
    assert cells["8", "16"][:5] == ["-", "no run", "45.0", "no run", "no run"]
    assert cells["8", "8"][:5] == ["no run", "no run", "-", "-", "-"]
    assert cells["10", "40"][:5] == ["-", "no run", "no run", "no run", "no run"]
    assert len(cells) == 11 + 2


def test_table_3(written):
    rows = rows_of((written / "report.md").read_text(), "Table 3")
    cells = {tuple(row[:4]): row[4:] for row in rows[1:]}
    assert cells["1", "I3D", "5", "5"] == ["30.0", "34.7"]
    assert cells["1", "I3D+TSD", "20", "5"] == ["no run", "58.0"]
    assert cells["3", "I3D+TSD", "20", "5"] == ["63.0 ± 3.6 (3 runs)", "65.9"]
    assert cells["10", "I3D+TSD", "80", "40"] == ["no run", "73.2"]
    assert cells["3", "I3D+TSD", "10", "5"] == ["50.0", "-"]
    assert list(cells)[0] == ("1", "I3D", "5", "5")
    assert len(cells) == 24 + 1


def test_table_4(written):
    rows = rows_of((written / "report.md").read_text(), "Table 4")
    assert rows[0][3:] == ["Accuracy, split 1", "Accuracy, splits 1 to 3", "paper's accuracy, split 1"]
    cells = {tuple(row[:3]): row[3:] for row in rows[1:]}
    assert cells["5", "I3D", "5"] == ["75.0", "no run", "79.7"]
    assert cells["5", "I3D+TSD", "20"] == ["80.0", "83.0 ± 3.6 (3 runs)", "87.4"]
    assert cells["20", "I3D+TSD", "80"] == ["no run", "no run", "92.7"]
    assert len(cells) == 11


def test_the_csv_files_hold_the_same_in_full(written):
    lines = lines_of(written / "table2.csv")
    (tsd,) = (line for line in lines if (line["method"], line["T"], line["T_s"]) == ("tsd", "20", "5"))
    assert tsd == {
        "dataset": "kinetics400",
        "split": "",
        "clips": "3",
        "main_network": "inception_i3d",
        "method": "tsd",
        "T": "20",
        "T_s": "5",
        "status": "measured",
        "top1": "63.0",
        "standard_deviation": "3.606",
        "standard_error": "",
        "chosen_on_test_videos": "False",
        "runs": "3",
        "delta_to_i3d": "23.0",
        "paper_top1": "65.9",
    }
    (i3d,) = (line for line in lines if (line["method"], line["T"], line["T_s"]) == ("i3d", "5", "5"))
    assert (i3d["top1"], i3d["standard_error"], i3d["standard_deviation"], i3d["runs"]) == ("40.0", "1.25", "", "1")
    missing = [line for line in lines if line["status"] == "no run"]
    assert missing
    assert {(line["top1"], line["runs"]) for line in missing} == {("", "0")}
    assert len(lines_of(written / "table3.csv")) == 25
    splits = [line for line in lines_of(written / "table4.csv") if line["status"] == "measured"]
    assert [(line["method"], line["split"], line["top1"]) for line in splits] == [
        ("i3d", "1", "75.0"),
        ("tsd", "1", "80.0"),
        ("tsd", "1-3", "83.0"),
    ]


def test_the_curve_is_over_frames_and_over_bytes(written):
    lines = lines_of(written / "figure3.csv")
    found = [tuple(line[name] for name in ("dataset", "method", "T", "T_s", "top1")) for line in lines]
    assert found == [
        ("kinetics400", "i3d", "5", "5", "40.0"),
        ("kinetics400", "i3d_r", "16", "8", "45.0"),
        ("kinetics400", "i3d_e", "20", "5", "42.5"),
        ("kinetics400", "tsd", "20", "5", "63.0"),  # the longest clip of two
        ("ucf101", "i3d", "5", "5", "75.0"),
        ("ucf101", "tsd", "20", "5", "80.0"),
    ]
    assert lines[3]["jpeg_90_bytes_per_clip"] == "100000.0"
    assert lines[3]["jpeg_90_bytes_per_video"] == "300000.0"
    assert "paper_top1" not in lines[0]
    assert min(cv2.imread(str(written / "figure3.png")).shape[:2]) > 500


def test_what_was_chosen_on_its_own_test_videos_is_marked_wherever_it_stands(tmp_path, write_result):
    runs = tmp_path / "runs"
    write_result(runs, 0.36, "i3d", 5, 5)
    write_result(runs, 0.60, chosen_on_test_videos=True)
    write_result(runs, 0.62, run_seed=1)
    write_result(runs, 0.42, "i3d_e", clips=2, chosen_on_test_videos=True)
    for number in (1, 2, 3):
        options = {"dataset": "ucf101", "split_of_ucf101": number, "clips": 1, "chosen_on_test_videos": number == 2}
        write_result(runs, 0.80, name=f"split{number}_tsd", **options)
    done = report("runs", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    markdown = (tmp_path / "report/report.md").read_text()
    cells = {tuple(row[:2]): row[2:] for row in rows_of(markdown, "Table 2")[1:]}
    assert (cells["5", "5"][0], cells["5", "20"][-1]) == ("36.0", "61.0 ± 1.4 (2 runs) † / +25.0")
    cells = {tuple(row[:3]): row[3:] for row in rows_of(markdown, "Table 4")[1:]}
    assert cells["5", "I3D+TSD", "20"] == ["80.0", "80.0 ± 0.0 (3 runs) †"]
    note = "† The weights were chosen on the very videos that they are tested on, so this is too high."
    sections = {section.partition("\n")[0][:8]: section for section in markdown.split("\n## ")}
    assert {name for name, text in sections.items() if note in text} == {"Table 2:", "Table 3:", "Table 4:", "Figure 3"}
    rows = rows_of(markdown, "In none of the tables above")
    assert [row[rows[0].index("chosen_on_test_videos")] for row in rows[1:]] == ["True"]
    lines = [line for line in lines_of(tmp_path / "report/figure3.csv") if line["dataset"] == "kinetics400"]
    assert [(line["method"], line["chosen_on_test_videos"]) for line in lines] == [("i3d", "False"), ("tsd", "True")]


def test_exported_halves_have_a_table_of_their_own(written):
    rows = rows_of((written / "report.md").read_text(), "Exported halves")
    assert len(rows) == 2
    assert rows[1][1:] == ["int8", "jpeg", "50", "tsd", "20", "5", "3", "58.0", "1.25", "1000", "31234"]
    assert len(lines_of(written / "exported.csv")) == 1


def test_accuracy_over_the_bytes_that_travel(written):
    markdown = (written / "report.md").read_text()
    rows = rows_of(markdown, "Exported halves: accuracy over bytes")
    assert rows[0] == ["export", "variant", "T", "T_s", "clips"] + [
        *("sent", "codec", "quality", "bytes_per_clip", "top1", "standard_error")
    ]
    assert [row[1:] for row in rows[1:3]] == [
        ["int8", "20", "5", "3", "distilled frames", "jpeg", "50", "31234", "58.0", "2.0"],
        ["int8", "20", "5", "3", "distilled frames", "h264", "24", "4000", "59.0", "2.0"],
    ]
    rows = rows_of(markdown, "Exported halves: bytes at equal accuracy")
    assert [row[5:] for row in rows] == [
        ["codec", "top1", "distilled_bytes", "whole_clip_bytes", "ratio", "note"],
        ["jpeg", "58.0", "31234", "", "", "whole clip: not tested"],
        ["h264", "58.0", "2000", "16000", "0.125", ""],
    ]
    assert [len(lines_of(written / f"{name}.csv")) for name in ("codings", "equal_accuracy")] == [6, 2]
    assert "![Accuracy over bytes](codings.png)" in markdown
    assert min(cv2.imread(str(written / "codings.png")).shape[:2]) > 400


def test_without_the_flag_nothing_is_the_papers(tmp_path, write_result):
    write_result(tmp_path / "runs", 0.25, dataset="sample", num_frames=20)
    done = report("runs/sample", "--output_dir=out", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    markdown = (tmp_path / "out/report.md").read_text()
    assert "paper" not in markdown
    assert "65.9" not in markdown
    # Of another data set the rows are those of the runs, and the baselines that they want.
    rows = rows_of(markdown, "Table 2: methods, sample, 3 clips")
    assert [row[:2] for row in rows[1:]] == [["5", "5"], ["5", "20"]]
    assert rows[2][-1] == "25.0"
    assert not {"exported.csv", "codings.csv", "codings.png"} & {path.name for path in (tmp_path / "out").iterdir()}


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ([], ["expected folders of runs", "received none"]),
        (["nowhere"], ["no such run: nowhere"]),
        (["empty"], ["no evaluation under empty", "evaluate.py writes them"]),
        (["garbage"], ["garbage/evaluation_x.json", "no evaluation"]),
        (["old"], ["top1_standard_error", "is missing", "test the run again"]),
        (["nan"], ["accuracy"]),
        (["magic"], ["magic", "method is 'magic'"]),
        (["twice"], ["of the same run"]),
        (["coded"], ["coded", "one of codings is", "nothing"]),
        (["mixed"], ["not of one configuration", "logit_scale is 1.0 and 2.0"]),
        (["empty", "--clips=0"], ["clips"]),
        (["good", "--output_dir=good/file"], ["cannot make --output_dir=good/file"]),
    ],
)
def test_garbage_is_one_line_and_writes_nothing(tmp_path, write_result, arguments, parts):
    for name in ("empty", "garbage", "old", "nan", "magic", "twice", "coded", "mixed", "good"):
        (tmp_path / name).mkdir()
    (tmp_path / "good/file").write_text("")
    (tmp_path / "garbage/evaluation_x.json").write_text("{")
    write_result(tmp_path / "good", 0.5)
    old = write_result(tmp_path / "old", 0.5)
    values = json.loads(old.read_text())
    del values["top1_standard_error"]
    old.write_text(json.dumps(values))
    write_result(tmp_path / "nan", float("nan"))
    write_result(tmp_path / "magic", 0.5, "magic")
    write_result(tmp_path / "coded", 0.5, codings=[CODINGS[0] | {"what": "nothing"}])
    first = write_result(tmp_path / "twice", 0.5)
    first.with_name("evaluation_copy.json").write_text(first.read_text())
    for seed, scale in ((0, 1.0), (1, 2.0)):
        path = write_result(tmp_path / "mixed", 0.5, run_seed=seed)
        values = json.loads(path.read_text())
        values["configuration"]["logit_scale"] = scale
        path.write_text(json.dumps(values))
    before = sorted(tmp_path.rglob("*"))
    done = report(*arguments, folder=tmp_path)
    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr
    (line,) = done.stderr.strip().splitlines()
    for part in parts:
        assert part in line
    assert sorted(tmp_path.rglob("*")) == before


OWN_NETWORK, OWN_SELECTOR = "package.networks:SlowFast", "package.selectors:Motion"


@pytest.fixture(scope="module")
def of_all_networks(tmp_path_factory, write_result):
    """The report of several main networks and of a selector of one's own, some of it in no table: its folder."""
    folder = tmp_path_factory.mktemp("networks")
    runs = folder / "runs"
    write_result(runs, 0.40, "i3d", 5, 5)
    write_result(runs, 0.50, OWN_SELECTOR, name="i3d_motion")
    for network in ("resnet3d_18", OWN_NETWORK):
        name = network.rpartition(":")[2]
        write_result(runs, 0.30, "i3d", 5, 5, name=name, main_network=network)
        for seed, top1 in ((0, 0.44), (1, 0.46)):
            write_result(runs, top1, main_network=network, name=f"{name}_tsd_seed{seed}", run_seed=seed)
    write_result(runs, 0.47, OWN_SELECTOR, main_network="resnet3d_18", name="resnet_motion")
    write_result(runs, 0.42, "i3d_e", 20, 5, clips=1, main_network="resnet3d_18", name="other_clips")
    write_result(runs, 0.43, dataset="sample")
    write_result(runs, 0.99, split="train", name="on_training_data")
    ucf101 = {"dataset": "ucf101", "clips": 1}
    write_result(runs, 0.70, "i3d", 16, 16, name="c3d", main_network="c3d", split_of_ucf101=1, **ucf101)
    write_result(runs, 0.71, OWN_SELECTOR, name="motion", split_of_ucf101=1, **ucf101)
    write_result(runs, 0.72, name="split2_alone", split_of_ucf101=2, **ucf101)
    done = report("runs", "--paper", folder=folder)
    assert done.returncode == 0, done.stderr
    return folder / "report"


COSTS = {"cloud_parameters": 10_300_000, "cloud_macs": 50_800_000_000, "cloud_milliseconds": 40.0, "timing_runs": 5}
OF_CLIENT = {"client_parameters": 4_300_000, "client_macs": 12_000_000_000, "distillation_macs": 1, "machine": None}


@pytest.fixture(scope="module")
def of_table_1(tmp_path_factory, write_result):
    """The report of networks that were tested with ten crops, and counted: its folder."""
    folder = tmp_path_factory.mktemp("table_1")
    runs = folder / "runs"
    tsn = {"main_network": "tsn_bn_inception", "clips": 1, "crops": 10, "costs": {**COSTS, "machine": "two cores"}}
    for seed, top1 in ((0, 0.60), (1, 0.62)):
        write_result(runs, top1, "i3d", 25, 25, name=f"tsn{seed}", run_seed=seed, **tsn)
    write_result(runs, 0.55, "i3d", 25, 25, name="tsn0", **(tsn | {"clips": 3, "crops": 1, "costs": {}}))
    costs = {**COSTS, **OF_CLIENT} | {"cloud_parameters": 12_689_984}
    del costs["cloud_milliseconds"]
    write_result(runs, 0.66, num_frames=80, num_distilled_frames=20, costs=costs)
    write_result(runs, 0.50, costs=costs)
    done = report("runs", "--paper", folder=folder)
    assert done.returncode == 0, done.stderr
    return folder / "report"


def test_table_1_has_accuracy_beside_what_it_costs(of_table_1):
    markdown = (of_table_1 / "report.md").read_text()
    rows = rows_of(markdown, "Table 1: accuracy and cost, kinetics400")
    assert rows[0] == [
        *("Method", "#clips", "#crops", "client: params (M)", "GMAC", "ms", "processed #frames"),
        *("transmitted #frames", "cloud: params (M)", "GMAC", "ms", "Accuracy", "paper's accuracy"),
    ]
    assert rows[1] == ["I3D", "1", "1", "-", "-", "-", "250", "250", "-", "-", "-", "no run", "71.1"]
    tsn = ["TSN", "1", "10", "-", "-", "-", "250", "250", "10.3", "508", "400", "61.0 ± 1.4 (2 runs)", "69.1"]
    assert rows[2] == tsn
    assert rows[3][:3] == ["ARTNet-ResNet18", "25", "10"]
    assert rows[3][6:8] == ["4000", "4000"]
    tsd = ["I3D+TSD", "3", "1", "4.3", "36", "-", "240", "60", "12.69", "152.4", "-", "66.0", "70.7"]
    assert rows[4] == tsd
    assert rows[8][:3] + rows[8][6:8] + rows[8][-2:] == ["I3D+TSD", "3", "1", "60", "15", "50.0", "-"]
    assert len(rows) == 9
    assert "times on two cores." in markdown
    lines = lines_of(of_table_1 / "table1.csv")
    assert len(lines) == 8
    assert {name: lines[1][name] for name in ("crops", "frames_transmitted", "cloud_GMAC", "cloud_ms", "machine")} == {
        "crops": "10",
        "frames_transmitted": "250",
        "cloud_GMAC": "508.0",
        "cloud_ms": "400.0",
        "machine": "two cores",
    }
    assert (lines[3]["client_parameters_M"], lines[3]["client_ms"]) == ("4.3", "")


def test_ten_crops_are_in_table_1_alone(of_table_1):
    table_3 = (of_table_1 / "report.md").read_text().split("## Table 3")[1]
    assert "61.0" not in table_3
    of_tsn = [line for line in lines_of(of_table_1 / "table2.csv") if line["main_network"] == "tsn_bn_inception"]
    assert [line["top1"] for line in of_tsn if line["status"] == "measured"] == ["55.0"]
    assert not (of_table_1 / "left_out.csv").exists()


def test_every_main_network_has_a_table_2_and_a_selector_of_ones_own_a_column(of_all_networks):
    markdown = (of_all_networks / "report.md").read_text()
    rows = rows_of(markdown, "Table 2: methods, kinetics400, 3 clips")
    assert rows[0][6:9] == ["I3D+TSD / Δ", f"I3D+{OWN_SELECTOR} / Δ", "paper's I3D"]
    cells = {tuple(row[:2]): dict(zip(rows[0], row, strict=True)) for row in rows[1:]}
    assert cells["5", "20"][f"I3D+{OWN_SELECTOR} / Δ"] == "50.0 / +10.0"
    assert cells["5", "20"]["paper's I3D+TSD"] == "65.9"
    assert cells["10", "40"][f"I3D+{OWN_SELECTOR} / Δ"] == "-"
    rows = rows_of(markdown, "Table 2, ResNet3D-18: methods, kinetics400, 3 clips")
    assert rows[0][2:] == ["ResNet3D-18"] + [
        f"ResNet3D-18{name} / Δ" for name in ("_A", "_R", "_E", "+TSD", f"+{OWN_SELECTOR}")
    ]
    # Of another network the rows are those of its runs, and Δ is above that network alone.
    assert [row[:3] for row in rows[1:]] == [["5", "5", "30.0"], ["5", "20", "-"]]
    assert rows[2][3:] == ["no run", "no run", "no run", "45.0 ± 1.4 (2 runs) / +15.0", "47.0 / +17.0"]
    rows = rows_of(markdown, f"Table 2, {OWN_NETWORK}: methods, kinetics400, 3 clips")
    assert rows[2][-1] == "45.0 ± 1.4 (2 runs) / +15.0"
    assert markdown.index("## Table 2: ") < markdown.index("## Table 2, ")


def test_every_main_network_has_rows_in_the_other_tables(of_all_networks):
    markdown = (of_all_networks / "report.md").read_text()
    cells = {tuple(row[:4]): row[4:] for row in rows_of(markdown, "Table 3")[1:]}
    assert cells["3", f"I3D+{OWN_SELECTOR}", "20", "5"] == ["50.0", "-"]
    assert cells["3", "ResNet3D-18", "5", "5"] == ["30.0", "-"]
    assert cells["3", f"{OWN_NETWORK}+TSD", "20", "5"] == ["45.0 ± 1.4 (2 runs)", "-"]
    assert list(cells)[0] == ("1", "I3D", "5", "5")
    cells = {tuple(row[:3]): row[3:] for row in rows_of(markdown, "Table 4")[1:]}
    assert cells["16", "C3D", "16"] == ["70.0", "no run", "-"]
    assert cells["5", f"I3D+{OWN_SELECTOR}", "20"] == ["71.0", "no run", "-"]
    networks = {name: {line["main_network"] for line in lines_of(of_all_networks / f"{name}.csv")} for name in
                ("table2", "table3", "table4", "figure3")}  # fmt: skip
    three = {"inception_i3d", "resnet3d_18", OWN_NETWORK}
    assert networks == {
        "table2": three,
        "table3": three,
        "table4": {"inception_i3d", "c3d"},
        "figure3": {*three, "c3d"},
    }


def test_what_no_table_shows_is_named(of_all_networks):
    lines = lines_of(of_all_networks / "left_out.csv")
    assert [(line["evaluation"].split("/")[2], line["method"], line["top1"]) for line in lines] == [
        ("on_training_data", "tsd", "99.0"),
        ("other_clips", "i3d_e", "42.0"),
        ("tsd_T20_Ts5_seed0", "tsd", "43.0"),
        ("split2_alone", "tsd", "72.0"),
    ]
    rows = rows_of((of_all_networks / "report.md").read_text(), "In none of the tables above")
    assert [(row[8], row[9]) for row in rows[1:]] == [("1", "99.0"), ("1", "42.0"), ("1", "43.0"), ("1", "72.0")]
