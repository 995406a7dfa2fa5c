"""The programs as a user calls them: in a process of their own, by their scripts."""

import json
import os
import pathlib
import re
import select
import shutil
import subprocess
import sys
import tempfile

import numpy as np
import pytest

from tsd_tf.work_directory import WorkDirectory

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).resolve().parents[2]


# Runs each program in a fork of a process that has imported what takes seconds to import, as Python would run a script.
FORKS = """
import json, os, runpy, sys
import keras, tensorflow
for line in iter(sys.stdin.readline, ""):
    script, arguments, folder, stdout, stderr = json.loads(line)
    if not (child := os.fork()):
        break
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
else:
    sys.exit()
for number, path in enumerate((os.devnull, stdout, stderr)):
    os.dup2(os.open(path, os.O_RDWR | os.O_CREAT), number)
os.chdir(folder)
sys.argv, sys.path[0] = [script, *arguments], os.path.dirname(script)
runpy.run_path(script, run_name="__main__")
"""


@pytest.fixture(scope="module", autouse=True)
def forks():
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    with subprocess.Popen(
        [sys.executable, "-c", FORKS], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        run.process = process
        yield
        process.stdin.close()


def run(script, *arguments, folder):
    """(exit code, stdout, stderr) of a script at the top level, started in `folder`."""
    with tempfile.TemporaryDirectory() as outputs:
        paths = [pathlib.Path(outputs, name) for name in ("stdout", "stderr")]
        request = [str(ROOT / script), arguments, str(folder), *map(str, paths)]
        run.process.stdin.write(json.dumps(request) + "\n")
        run.process.stdin.flush()
        assert select.select([run.process.stdout], [], [], 600)[0], f"{script} still runs after ten minutes"
        return int(run.process.stdout.readline()), *(path.read_text() for path in paths)


def assert_one_line_error(result, *parts):
    code, _, stderr = result
    assert code in (1, 2), stderr
    assert "Traceback" not in stderr
    lines = [line for line in stderr.strip().splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, stderr
    for part in parts:
        assert part in lines[0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What the demo leaves, at its smallest: a step a stage. Runs lie in `runs`, shards in `shards`."""
    folder = tmp_path_factory.mktemp("demo")
    quietening = ("TF_CPP_MIN_LOG_LEVEL", "GRPC_VERBOSITY")
    done = subprocess.run(
        [sys.executable, "-m", "examples.demo", f"--output_dir={folder}", "--num_train=12", "--num_test=6"]
        + ["--max_steps=1"],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name not in quietening},
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (folder / "stdout").write_text(done.stdout)
    (folder / "stderr").write_text(done.stderr)
    return folder


def test_the_demo_ends_with_its_summary(folder):
    summary = json.loads((folder / "summary.json").read_text())
    names = (folder / "videos/labels.txt").read_text().splitlines()
    assert summary["test_videos"] == len(names) == 6
    assert summary["chance"] == pytest.approx(1 / 6)
    assert summary["served_minus_in_process"] <= summary["tolerance"]
    sizes = {(one["what"], one["codec"], one["quality"]): one["bytes_per_clip"] for one in summary["codings"]}
    for what in ("distilled", "whole_clip", "whole_clip_uniform", "uniform"):
        assert 0 < sizes[what, "h264", 36] < sizes[what, "h264", 24] < sizes[what, "jpeg", 90]
    assert sizes["distilled", "h264", 24] < sizes["whole_clip", "h264", 24]
    assert [answer["truth"] for answer in summary["answers"]] == names
    for answer in summary["answers"]:
        assert answer["label"] in names
        assert (answer["clips"], answer["codec"]) == (2, "h264")
        assert 0 < answer["bytes"]["distilled"] < answer["bytes"]["frames"]
    text = (folder / "stdout").read_text().split("Summary")[1]
    for part in ("distilled frames (I3D+TSD)", "uniformly sampled frames", "chance", (folder / "demo.html").as_uri()):
        assert part in text
    for answer in summary["answers"]:
        verdict = "right" if answer["label"] == answer["truth"] else "wrong"
        assert f"    {answer['truth']}: {answer['label']}, {answer['score']:.0%} sure, which is {verdict}; " in text


def test_the_demo_s_page_shows_every_answer(folder):
    summary = json.loads((folder / "summary.json").read_text())
    page = (folder / "demo.html").read_text()
    for figure in (summary["accuracy_distilled"], summary["accuracy_uniform"], summary["chance"]):
        assert f"<strong>{figure:.1%}</strong>" in page
    right = sum(answer["label"] == answer["truth"] for answer in summary["answers"])
    assert f"<strong>{right} of 6</strong> of the videos below are recognised" in page
    assert page.count("✓ Right:") == right
    assert page.count("✗ Wrong:") == 6 - right
    for number, answer in enumerate(summary["answers"], 1):
        assert f"<h2>{number}. {answer['truth']}</h2>" in page
        assert f"{answer['bytes']['distilled']:,} bytes were sent" in page
    assert page.count('class="event"') >= 6


def test_the_programs_of_the_demo_tell_on_stderr_of_their_progress_alone(folder):
    """Builders, training, evaluation, export, gateway and client."""
    text = (folder / "stderr").read_text()
    assert "tsd_stage2: 100%" in text
    bar = re.compile(r"(\w+: )? *\d+%\|.*\| \d+/\d+ \[.*\] *")
    rest = [line for line in text.splitlines() if line and not bar.fullmatch(line)]
    # The gateway's server logs what it serves.
    assert all(re.fullmatch(r"\S+ INFO version 1 of tsd is loaded, .*", line) for line in rest), rest


def test_training_leaves_its_configuration(folder):
    assert (folder / "runs/sample/tsd_T20_Ts5/finished").exists()
    assert (folder / "runs/sample/i3d/finished").exists()
    config = json.loads((folder / "runs/sample/tsd_T20_Ts5/config.json").read_text())
    assert (config["num_frames"], config["num_distilled_frames"]) == (20, 5)
    assert all(stage["num_steps"] == 1 for stage in config["stages"])


def test_evaluation_finds_the_newest_run_by_itself(folder):
    code, stdout, stderr = run("evaluate.py", "--clips=1,3", folder=folder)
    assert code == 0, stderr
    assert "runs/sample/i3d_e_T20_Ts5" in stdout
    found = json.loads((folder / "runs/sample/i3d_e_T20_Ts5/evaluation_test_T20_Ts5_clips3.json").read_text())
    assert (found["videos"], found["clips"]) == (6, 3)
    assert 0 <= found["top1"] <= found["top5"] <= 1


def test_the_wire_is_measured_with_a_trained_run(folder):
    video = next((folder / "videos/test").glob("*/*.mp4"))
    workdir, output = folder / "runs/sample/tsd_T20_Ts5", folder / "wire.json"
    arguments = ["--parts=bytes", "--codecs=h264", f"--video={video}", f"--workdir={workdir}", f"--output={output}"]
    command = [sys.executable, "-m", "benchmarks.wire", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found = json.loads(output.read_text())
    assert (found["T"], found["Ts"], found["frame_size"], found["short_side"]) == (20, 5, 64, 64)
    assert found["bytes"]["clips"] == [video.name] * 2
    (row,) = (row for row in found["bytes"]["rows"] if (row["codec"], row["decibels"]) == ("h264", 32))
    assert 0 < row["distilled_bytes"] < row["whole_clip_bytes"]


def test_the_exported_halves_are_tested_as_they_are_deployed(folder):
    arguments = ["--export_dir=export", "--workdir=runs/sample/tsd_T20_Ts5", "--codec=raw", "--clips=1", "--dump"]
    code, stdout, stderr = run("evaluate.py", *arguments, folder=folder)
    assert code == 0, stderr
    assert "export (version 1, float32, cloud float32 by tensorflow, raw)" in stdout
    found = json.loads((folder / "export/evaluation_float32_raw_test_T20_Ts5_clips1.json").read_text())
    assert found["bytes_sent_per_clip"] == found["bytes_per_clip"]["raw"] == pytest.approx(5 * 64 * 64 * 3, abs=150)
    with np.load(folder / "export/evaluation_float32_raw_test_T20_Ts5_probabilities.npz") as dump:
        assert dump["probabilities"].shape == (6, 1, 6)


def test_several_runs_are_tested_and_averaged(folder, tmp_path):
    for seed in ("a", "b"):
        shutil.copytree(folder / "runs/sample/i3d", tmp_path / seed)
    code, stdout, stderr = run("evaluate.py", "--workdir=a,b", "--Ts=5", "--clips=1", folder=tmp_path)
    assert code == 0, stderr
    found = json.loads((tmp_path / "a/evaluation_test_T5_Ts5_clips1.json").read_text())
    mean = json.loads((tmp_path / "average_i3d_test_T5_Ts5_clips1.json").read_text())
    assert (mean["top1"], mean["top1_standard_deviation"]) == (found["top1"], 0.0)
    assert "mean of 2 runs: top-1" in stdout


@pytest.mark.parametrize("size", [0, 1000], ids=["empty", "truncated"])
def test_a_damaged_shard_is_named(folder, tmp_path, size):
    shutil.copytree(folder / "shards", tmp_path / "shards")
    shard = sorted((tmp_path / "shards").glob("test-00000-of-*"))[0]
    shard.write_bytes(shard.read_bytes()[:size])
    workdir = folder / "runs/sample/i3d_e_T20_Ts5"
    result = run("evaluate.py", f"--workdir={workdir}", f"--data_dir={tmp_path}/shards", folder=tmp_path)
    assert_one_line_error(result, shard.name)


def test_a_second_training_of_another_configuration_is_refused(folder):
    data = f"--data_dir={folder}/shards"
    result = run("train_kinetics.py", "--preset=sample", "--method=i3d_e", data, "--max_steps=2", folder=folder)
    assert_one_line_error(result, "runs/sample/i3d", "another configuration", "--workdir")


def test_a_loss_that_is_not_finite_is_one_line_with_the_step_and_its_records(folder, tmp_path):
    arguments = ["--preset=sample", "--initializer_stddev=1e30", "--logit_scale=1", "--max_steps=1", "--batch_size=2"]
    arguments += [f"--data_dir={folder}/shards", f"--workdir={tmp_path}/run"]
    result = run("train_kinetics.py", *arguments, folder=folder)
    assert_one_line_error(result, "loss of step 0 of stage tsd_stage1 is nan", "its batch held the records", "train")
    # What stands is what was trained before.
    assert [path.name for path in (tmp_path / "run/checkpoints").iterdir()] == ["step_00000001"]


def test_i3d_is_tested_with_any_number_of_frames(folder):
    code, stdout, stderr = run(
        "evaluate.py", "--workdir=runs/sample/i3d", "--T=5", "--Ts=5", "--clips=1", folder=folder
    )
    assert code == 0, stderr
    assert "T=5, Ts=5" in stdout


def test_frame_counts_that_the_run_does_not_have_are_refused(folder):
    result = run("evaluate.py", "--workdir=runs/sample/tsd_T20_Ts5", "--T=10", "--Ts=5", folder=folder)
    assert_one_line_error(result, "--T and --Ts must be 20 and 5", "Received: --T=10, --Ts=5")


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--T=10", "--Ts=20"], ["--Ts must be at most --T", "--Ts=20, --T=10"]),
        (["--T=0"], ["--T must be at least 1", "--T=0"]),
        (["--Ts=-3"], ["--Ts must be at least 1", "--Ts=-3"]),
        (["--method=psychic"], ["method", "psychic"]),
        (["--main_network=c3d", "--T=40", "--Ts=10"], ["c3d takes clips of 16 frames", "--Ts=10"]),
        (["--main_network=c3d", "--T=40", "--Ts=16", "--crop_size=112"], ["no class names", "data/kinetics400"]),
        (["--preset=tsn", "--T=7"], ["expected neither --T nor --Ts", "--T=7"]),
        (["--preset=artnet", "--method=tsd"], ["trains its network alone, so --method must be i3d", "--method=tsd"]),
        (["--frame_sampling=keyframes"], ["frame_sampling", "keyframes"]),
        (["--main_network=c3d", "--method=i3d", "--crop_size=112"], ["no class names", "data/kinetics400"]),
        (["--method=i3d", "--T=10"], ["expected neither --T nor --Ts", "--T=10"]),
        (["--method=i3d_e", "--rate_weight=1"], ["--rate_weight is for --method tsd", "--rate_weight=1.0"]),
        (["--rate_weight=1", "--codec_quality=52"], ["--codec_quality must be from 0", "--codec_quality=52"]),
        (["--batch_size=0"], ["batch_size", "0"]),
        (["--seed=-1"], ["seed", "-1"]),
        (["--crop_size=300"], ["no class names", "data/kinetics400"]),  # what fits, the shards say
        (["--config=none.json"], ["cannot read the recipe none.json: No such file"]),
        (["--num_steps=stage3=5"], ["names a stage 'stage3' that is not trained", "tsd_stage1, tsd_stage2, i3d"]),
        (["--learning_rate=fast"], ["learning_rate", "expected RATE, or stage=RATE,..."]),
        (["--dropout_rate=1"], ["--dropout_rate must be at least 0 and below 1", "--dropout_rate=1.0"]),
        (["--no_such_flag=1"], ["no_such_flag"]),
        (["--T=many"], ["T", "many"]),
        (["T=40"], ["expected flags only", "T=40"]),
    ],
)
def test_flags_that_cannot_be(tmp_path, arguments, parts):
    assert_one_line_error(run("train_kinetics.py", *arguments, folder=tmp_path), *parts)
    assert list(tmp_path.iterdir()) == []


def test_c3d_is_trained_on_clips_of_its_own_length_in_every_stage_here_on_data_of_ones_own(tmp_path, sample_shards):
    arguments = ["--preset=sample", "--method=i3d", "--main_network=c3d", "--max_steps=1", "--batch_size=1"]
    arguments += [f"--data_dir={sample_shards}", "--dataset=mine"]
    refused = run("train_kinetics.py", *arguments, "--num_classes=7", folder=tmp_path)
    assert_one_line_error(refused, "6 classes in its labels.txt, the configuration expects 7", "--num_classes")
    code, _, stderr = run("train_kinetics.py", *arguments, "--num_classes=6", folder=tmp_path)
    assert code == 0, stderr
    config = json.loads((tmp_path / "runs/mine/i3d_c3d/config.json").read_text())
    assert (config["num_frames"], [stage["num_frames"] for stage in config["stages"]]) == (16, [None, None])
    lines = (tmp_path / "runs/mine/i3d_c3d/log.jsonl").read_text().splitlines()
    assert [json.loads(line)["stage"] for line in lines] == ["i3d_trimmed", "i3d"]


def test_a_printed_recipe_trains_the_same_run(tmp_path, sample_shards):
    changed = ["--preset=sample", "--method=i3d", "--main_network=resnet3d_18", "--main_network_width=0.125"]
    changed += ["--num_steps=2", "--batch_size=1", "--learning_rate=i3d=0.01", "--optimizer=sgd", "--seed=5"]
    changed += [f"--data_dir={sample_shards}"]
    code, stdout, stderr = run("train_kinetics.py", *changed, "--print_config", folder=tmp_path)
    assert (code, list(tmp_path.iterdir())) == (0, []), stderr
    (tmp_path / "recipe.json").write_text(stdout)
    for workdir, flags in (("flags", changed), ("recipe", ["--config=recipe.json"])):
        code, _, stderr = run("train_kinetics.py", *flags, f"--workdir={workdir}", folder=tmp_path)
        assert code == 0, stderr
    texts = [(tmp_path / workdir / "config.json").read_text() for workdir in ("flags", "recipe")]
    assert texts[0] == texts[1]
    assert [stage["learning_rate"] for stage in json.loads(texts[0])["stages"]] == [0.002, 0.01]
    one, other = (WorkDirectory(tmp_path / workdir).load_network().weights for workdir in ("flags", "recipe"))
    for mine, its in zip(one, other, strict=True):
        np.testing.assert_array_equal(np.asarray(mine), np.asarray(its))


@pytest.mark.parametrize(
    ("script", "preset", "data"),
    [
        ("train_kinetics.py", "tsn", "looked for data/kinetics400/"),
        ("train_kinetics.py", "c3d", "looked for data/kinetics400_128/"),
        ("train_ucf101.py", "artnet_ucf101", "looked for data/ucf101_128/split2/"),
    ],
)
def test_presets_of_other_networks_have_data_of_their_own_size(tmp_path, script, preset, data):
    split = ["--split=2"] if script == "train_ucf101.py" else []
    assert_one_line_error(run(script, f"--preset={preset}", *split, folder=tmp_path), data)


def test_training_without_data_says_what_was_looked_for_where_and_what_makes_it(tmp_path):
    result = run("train_kinetics.py", "--T=40", "--Ts=10", folder=tmp_path)
    assert_one_line_error(result, "data/kinetics400", "tfrecords.build_kinetics")
    assert list(tmp_path.iterdir()) == []


def test_evaluation_without_a_run_says_what_was_looked_for(tmp_path):
    assert_one_line_error(
        run("evaluate.py", "--clips=10", folder=tmp_path), "runs/*/*/checkpoints", "train_kinetics.py"
    )


EXPORT = ("--export_dir=there", "--preset=sample")


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--crops=5"], ["crops", "5", "10"]),
        (["--timing_runs=3"], ["--timing_runs is for use with --costs"]),
        (["--export_dir=there", "--costs"], ["--costs is of a Keras network"]),
        (["--clips=0"], ["--clips expects positive integers", "received 0"]),
        (["--clips=ten"], ["--clips expects positive integers", "received ten"]),
        (["--clips="], ["--clips expects positive integers"]),
        (["--qualities=90,101"], ["--qualities expects JPEG qualities from 1 to 100", "received 90,101"]),
        (["--weights=a.weights.h5", "--workdir=b"], ["expected one of --weights, --export_dir and --workdir"]),
        (["--weights=a.weights.h5", "--checkpoint=best"], ["--checkpoint is of a run"]),
        (["--method=tsd"], ["--method is for use with --preset and --weights"]),
        (["--codec=raw"], ["--codecs is for use with --export_dir"]),
        (["--codecs=raw"], ["--codecs is for use with --export_dir"]),
        (["--whole_clip"], ["--whole_clip is for use with --export_dir"]),
        (["--export_dir=there", "--uniform_workdir=run"], ["--uniform_workdir is for use with --whole_clip"]),
        ([*EXPORT, "--codecs=h264:28,theora"], ["--codecs expects codecs of h264, ", "Received: --codecs=theora"]),
        ([*EXPORT, "--codecs=h264:52"], ["a quality of h264 from 0 (best) to 51. Received: --codecs=h264:52"]),
        ([*EXPORT, "--codec=jpeg:0"], ["a quality of jpeg from 1 to 100. Received: --codecs=jpeg:0"]),
        ([*EXPORT, "--codecs="], ["--codecs expects at least one codec"]),
        ([*EXPORT, "--whole_clip", "--uniform_workdir=nowhere"], ["nowhere is not a work directory"]),
        (["--export_dir=there", "--T=5"], ["expected neither --T nor --Ts"]),
        (["--export_dir=there"], ["give a --workdir or a --preset, or both --data_dir and --split"]),
        (["--export_dir=there", "--preset=sample"], ["no client half: looked for there/client.tflite"]),
        (["--no_such_flag=1"], ["no_such_flag"]),
        (["clips=3"], ["expected flags only", "clips=3"]),
    ],
)
def test_evaluations_that_cannot_be(tmp_path, arguments, parts):
    assert_one_line_error(run("evaluate.py", *arguments, folder=tmp_path), *parts)
    assert list(tmp_path.iterdir()) == []


def test_ucf101_without_a_kinetics_run_says_so(tmp_path, sample_shards):
    result = run("train_ucf101.py", f"--data_dir={sample_shards}", folder=tmp_path)
    assert_one_line_error(result, "6 classes", "101")


@pytest.mark.parametrize("script", ["train_kinetics.py", "train_ucf101.py", "evaluate.py"])
def test_help_explains(script, tmp_path):
    code, stdout, _ = run(script, "--help", folder=tmp_path)
    assert code == 0
    assert "Section" in stdout
    for flag in ("--workdir", "--runs_dir", "--clips" if script == "evaluate.py" else "--max_steps"):
        assert flag in stdout
