import csv
import dataclasses
import json
import shutil

import cv2
import keras
import numpy as np
import pytest

from tsd_tf.config import Stage, sample
from tsd_tf.contract.errors import UserError
from tsd_tf.data.evaluation_clips import EvaluationClips
from tsd_tf.data.preprocessing import to_network_input
from tsd_tf.data.records import Records
from tsd_tf.data.shards import find_shards
from tsd_tf.evaluation import average, evaluation, metrics, subjects
from tsd_tf.evaluation.coding import Coding, compared
from tsd_tf.reporting import accuracy_over_bytes
from tsd_tf.training.trainer import Trainer
from tsd_tf.training.validation import ValidationPlan
from tsd_tf.video import codec
from tsd_tf.work_directory import WorkDirectory

pytestmark = pytest.mark.slow

OPTIONS = {"batch_size": 4, "seed": 0}


@pytest.fixture(scope="module")
def runs(tiny_config, sample_shards, write_run, tmp_path_factory):
    """runs/ucf101/split1 to split3 of I3D, each on a data folder of its own."""
    root = tmp_path_factory.mktemp("evaluation")
    for number in (1, 2, 3):
        data_dir = root / f"data/split{number}"
        shutil.copytree(sample_shards, data_dir)
        config = tiny_config(method="i3d", dataset="ucf101", data_dir=str(data_dir), seed=number)
        write_run(root / f"runs/ucf101/split{number}_i3d", config, seed=number)
    return root / "runs"


@pytest.fixture(scope="module")
def tested(runs):
    """What the test of split 1 with 1 and 2 clips, its probabilities dumped, returns."""
    subject = subjects.of_run(WorkDirectory(runs / "ucf101/split1_i3d"), num_distilled_frames=4)
    return evaluation.evaluate(subject, clips=[1, 2], qualities=[90, 30], dump=True, **OPTIONS)


def test_the_json_says_what_was_tested_and_what_came_out(runs, tested):
    run = runs / "ucf101/split1_i3d"
    assert [path.name for path, _ in tested] == [f"evaluation_test_T4_Ts4_clips{count}.json" for count in (1, 2)]
    path, summary = tested[1]
    assert json.loads(path.read_text()) == summary
    expected = {
        "format": 1,
        "clips": 2,
        "crops": 1,
        "videos": 6,
        "workdir": str(run),
        "checkpoint": "step_00000004",
        "seed": 0,
    }
    expected |= {"dataset": "ucf101", "split": "test", "split_of_ucf101": 1, "method": "i3d", "run_seed": 1}
    expected |= {"num_frames": 4, "num_distilled_frames": 4, "num_classes": 6, "source": "work directory"}
    assert {name: summary[name] for name in expected} == expected
    assert summary["configuration"]["main_network_width"] == 0.03
    size = codec.encode(np.zeros((4, 64, 64, 3), np.uint8), "raw").num_bytes
    assert summary["bytes_per_clip"]["raw"] == size > 4 * 64 * 64 * 3
    assert "codings" not in summary
    assert 0 < summary["bytes_per_clip"]["jpeg_30"] < summary["bytes_per_clip"]["jpeg_90"]
    assert [entry["videos"] for entry in summary["per_class"]] == [1] * 6
    assert summary["mean_class_accuracy"] == pytest.approx(summary["top1"])
    assert 0 <= summary["top1"] <= summary["top5"] <= 1


def test_the_dump_gives_the_accuracies_again(tested):
    with np.load(tested[0][0].with_name("evaluation_test_T4_Ts4_probabilities.npz"), allow_pickle=False) as dump:
        probabilities, labels = dump["probabilities"], dump["labels"]
        assert dump["class_names"].tolist() == [entry["class"] for entry in tested[0][1]["per_class"]]
        assert len(set(dump["media_ids"].tolist())) == 6
    assert probabilities.shape == (6, 2, 6)
    for _, summary in tested:
        averaged = probabilities[:, : summary["clips"]].mean(axis=1)
        assert summary["top1"] == np.mean(averaged.argmax(axis=1) == labels)
        top5 = np.argsort(averaged, axis=1)[:, -5:]
        assert summary["top5"] == np.mean([label in likeliest for label, likeliest in zip(labels, top5, strict=True)])


def test_the_confusion_matrix_as_table_and_as_picture(tested):
    path, summary = tested[1]
    stem = path.name.removesuffix(".json")
    with path.with_name(f"{stem}_confusion.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    names = [entry["class"] for entry in summary["per_class"]]
    assert header == ["class", *names]
    assert [row[0] for row in rows] == names
    matrix = np.array([row[1:] for row in rows], int)
    assert matrix.sum(axis=1).tolist() == [1] * 6
    assert matrix.trace() == round(6 * summary["top1"])
    picture = cv2.imread(str(path.with_name(f"{stem}_confusion.png")))
    assert min(picture.shape[:2]) > 300
    assert not list(path.parent.glob(".*.partial.*"))


@pytest.fixture(scope="module")
def segments_run(tiny_config, tmp_path_factory):
    """A step on three segments, whose crops are smaller than the frames."""
    run = WorkDirectory(tmp_path_factory.mktemp("segments") / "run")
    changes = {"main_network": "resnet3d_18", "crop_size": 48, "num_frames": 3, "num_distilled_frames": 3}
    changes["stages"] = (Stage("segments", "network", 1, 0.01, batch_size=2),)
    config = tiny_config(method="i3d", frame_sampling="segments", **changes)
    Trainer(run, config, validation=ValidationPlan(num_videos=0)).run()
    return run


def test_ten_crops_of_other_segments_and_what_they_cost(segments_run):
    subject = subjects.of_run(segments_run, num_distilled_frames=5)
    options = {"clips": [1], "dump": True, **OPTIONS}
    ((path, ten),) = evaluation.evaluate(subject, crops=10, timing_runs=1, **options)
    assert path.name == "evaluation_test_T5_Ts5_clips1_crops10.json"
    assert json.loads(path.read_text()) == ten
    assert ten["crops"] == 10
    costs = ten["costs"]
    assert set(costs) == {"cloud_parameters", "cloud_macs", "cloud_milliseconds", "timing_runs", "machine"}
    assert costs["cloud_milliseconds"] > 0
    assert "TensorFlow" in costs["machine"]
    network = segments_run.load_network()
    assert costs["cloud_parameters"] == sum(variable.numpy().size for variable in network.trainable_variables)
    ((_, one),) = evaluation.evaluate(subject, timing_runs=0, **options)
    assert "costs" in one
    assert one["costs"]["cloud_macs"] == costs["cloud_macs"]
    assert "cloud_milliseconds" not in one["costs"]
    # By hand: the first video's clip, its five crops and their mirrors.
    with np.load(path.with_name("evaluation_test_T5_Ts5_crops10_probabilities.npz"), allow_pickle=False) as dump:
        probabilities, media_ids = dump["probabilities"], dump["media_ids"]
    assert probabilities.shape == (6, 1, 6)
    config = subjects.with_frame_counts(segments_run.config(), 5, 5)
    shards = find_shards(config.data_dir, "test")
    (batch, *_) = EvaluationClips(
        Records(shards), config.clip_spec, num_clips=1, batch_size=1, seed=0, with_corners=True
    )
    assert batch["media_id"].numpy()[0].decode() == media_ids[0]
    views = batch["frames"].numpy()[0]
    assert views.shape == (5, 5, 48, 48, 3)
    assert not np.array_equal(views[1], views[4])
    views = np.concatenate([views, views[:, :, :, ::-1]])
    other = segments_run.load_network(config)
    expected = keras.ops.softmax(other(to_network_input(views))).numpy().mean(axis=0)
    np.testing.assert_allclose(probabilities[0, 0], expected, atol=1e-5)


def test_crops_that_cannot_be(runs):
    whole = subjects.of_run(WorkDirectory(runs / "ucf101/split1_i3d"))
    with pytest.raises(UserError, match="have a short side of 64 pixels, and .* takes crops of 64. Received: crops=10"):
        evaluation.prepare(whole, crops=10)
    with pytest.raises(UserError, match="`crops` must be 1 or 10. Received: crops=3"):
        evaluation.prepare(whole, crops=3)
    halves = dataclasses.replace(whole, facts={"source": "export"})
    with pytest.raises(UserError, match="`crops` must be 1 for an export: its client sends one crop"):
        evaluation.prepare(halves, crops=10)


def test_weights_give_what_the_run_gives(runs, tested, tmp_path):
    run = runs / "ucf101/split1_i3d"
    shutil.copy(run / "checkpoints/step_00000004/network.weights.h5", tmp_path / "best.weights.h5")
    shutil.copy(run / "config.json", tmp_path)
    subject = subjects.of_weights(tmp_path / "best.weights.h5", num_distilled_frames=4)
    ((path, summary),) = evaluation.evaluate(subject, clips=[2], qualities=[90], **OPTIONS)
    assert path == tmp_path / "evaluation_best_test_T4_Ts4_clips2.json"
    for name in ("top1", "top5", "per_class", "configuration"):
        assert summary[name] == tested[1][1][name]
    assert summary["source"] == "weights"


def test_weights_are_described_by_their_configuration_or_by_a_preset(tmp_path):
    path = tmp_path / "a.weights.h5"
    with pytest.raises(UserError, match="found no file of weights"):
        subjects.of_weights(path)
    path.write_bytes(b"weights")
    with pytest.raises(UserError, match=r"looked for .*config\.json; describe it with `preset`"):
        subjects.of_weights(path)
    config = subjects.preset("kinetics400", "tsd", num_frames=80, num_distilled_frames=20)
    assert subjects.of_weights(path, config, data_dir="there").data_dir == "there"
    (tmp_path / "config.json").write_text(sample().to_json())
    assert subjects.of_weights(path).num_frames == 20
    with pytest.raises(UserError, match="leave `preset`"):
        subjects.of_weights(path, config)


def test_an_export_needs_data_to_be_tested_on(tmp_path):
    with pytest.raises(UserError, match="give a `work_directory` or a `preset`, or both `data_dir` and `split`"):
        subjects.of_export(tmp_path, variant="float32", codings=[Coding("raw", None)], data_dir="data")


@pytest.fixture(scope="module")
def uniform_run(exported, write_run, tmp_path_factory):
    """A run of I3D_E on the clips and classes of the export."""
    config = dataclasses.replace(exported.config, method="i3d_e")
    path = tmp_path_factory.mktemp("uniform") / "i3d_e"
    write_run(path, config, exported.labels, seed=1)
    return WorkDirectory(path)


@pytest.fixture
def data_dir(exported, sample_shards, tmp_path):
    """The sample's shards under the class names of the export."""
    shutil.copytree(sample_shards, tmp_path / "data")
    (tmp_path / "data/labels.txt").write_text("".join(f"{label}\n" for label in exported.labels))
    return str(tmp_path / "data")


def copy_of(exported, folder):
    return shutil.copytree(exported.folder, folder, ignore=shutil.ignore_patterns("evaluation_*"))


def test_several_codings_share_a_pass_and_the_first_gives_the_other_results(exported, uniform_run, data_dir, tmp_path):
    def tested(*codings, folder, **options):
        subject = subjects.of_export(
            copy_of(exported, tmp_path / folder),
            variant="float32",
            codings=codings,
            data_dir=data_dir,
            split="test",
            **options,
        )
        return evaluation.evaluate(subject, clips=[1, 2], **OPTIONS)

    raw, jpeg = Coding("raw", None), Coding("jpeg", 30)
    codings = compared([jpeg, raw], whole_clip=True, uniform=True)
    several = tested(*codings, folder="several", uniform_workdir=uniform_run)
    alone = {one: tested(one, folder=str(one)) for one in (jpeg, raw)}
    for number, (path, found) in enumerate(several):
        assert path.name == f"evaluation_float32_jpeg_30_test_T8_Ts4_clips{number + 1}.json"
        assert json.loads(path.read_text()) == found
        assert [(one["codec"], one["quality"], one["what"]) for one in found["codings"]] == [
            (codec, quality, what)
            for what in ("distilled", "whole_clip", "whole_clip_uniform", "uniform")
            for codec, quality in (("jpeg", 30), ("raw", None))
        ]
        by_coding = dict(zip(codings, found["codings"], strict=True))
        for one, results in alone.items():
            expected = results[number][1]
            assert "codings" not in expected
            assert by_coding[one]["bytes_per_clip"] == expected["bytes_sent_per_clip"]
            for name in ("top1", "top1_standard_error"):
                assert by_coding[one][name] == expected[name]
        same = ("top1", "top5", "per_class", "bytes_sent_per_clip", "bytes_per_clip", "codec", "quality")
        assert {name: found[name] for name in same} == {name: alone[jpeg][number][1][name] for name in same}
        # Of raw frames the whole clip gives what the distilled ones give, at twice the frames.
        assert by_coding[Coding("raw", None, "whole_clip")]["top1"] == by_coding[raw]["top1"]
        sizes = [codec.encode(np.zeros((count, 64, 64, 3), "uint8"), "raw").num_bytes for count in (8, 4)]
        assert [by_coding[Coding("raw", None, what)]["bytes_per_clip"] for what in ("whole_clip", "uniform")] == sizes
        assert found["bytes_at_equal_accuracy"] == accuracy_over_bytes.at_equal_accuracy(found["codings"])
        assert [one["codec"] for one in found["bytes_at_equal_accuracy"]] == ["jpeg"]
        assert cv2.imread(str(path.with_name(f"{path.stem}_bytes.png"))) is not None
        assert found["uniform_workdir"] == str(uniform_run.path)
    assert not list((tmp_path / "raw").glob("*_bytes.png"))
    assert alone[raw][0][1]["bytes_sent_per_clip"] == alone[raw][0][1]["bytes_per_clip"]["raw"]


def test_uniform_frames_need_a_run_on_the_same_clips(exported, write_run, tmp_path):
    changes = {"method": "i3d_r", "num_frames": 12, "num_distilled_frames": 6, "frame_rate": 10.0}
    write_run(tmp_path / "run", dataclasses.replace(exported.config, **changes), [*exported.labels[1:], "another"])
    with pytest.raises(UserError) as error:
        subjects.of_export(
            *(exported.folder, exported.config),
            variant="float32",
            codings=[Coding("raw", None)],
            uniform_workdir=WorkDirectory(tmp_path / "run"),
        )
    assert str(error.value) == (
        "`uniform_workdir` must be a run of i3d_e on clips and classes as the export's; expected and found: 25 and 10 "
        "frames a second; method i3d_e and i3d_r; T 8 and 12; T_s 4 and 6; other classes. "
        f"Received: uniform_workdir={tmp_path / 'run'}"
    )


def test_presets_take_frame_counts():
    config = subjects.preset("ucf101", "tsd", num_frames=80, num_distilled_frames=20, main_network="resnet3d_18")
    assert (config.num_frames, config.num_distilled_frames, config.main_network) == (80, 20, "resnet3d_18")
    config = subjects.preset("ucf101", "i3d", num_distilled_frames=5)
    assert (config.num_frames, config.num_distilled_frames) == (5, 5)
    for counts in ({"num_frames": 0}, {"num_distilled_frames": 0}):
        with pytest.raises(UserError, match="must be at least 1"):
            subjects.with_frame_counts(config, **({"num_frames": None, "num_distilled_frames": None} | counts))
    with pytest.raises(UserError, match="`num_distilled_frames` must be at most `num_frames`"):
        subjects.preset("ucf101", "tsd", num_frames=5, num_distilled_frames=20)


def test_all_splits_that_have_a_run_are_found_and_averaged(runs, tmp_path):
    found = subjects.newest_runs(runs, "ucf101")
    assert [run.path.name for run in found] == [f"split{number}_i3d" for number in (1, 2, 3)]
    assert len(subjects.newest_runs(runs, "ucf101", with_splits=False)) == 1
    tested = [subjects.of_run(run, num_distilled_frames=4) for run in found]
    assert [subject.data_dir[-6:] for subject in tested] == ["split1", "split2", "split3"]
    average.check(tested)
    paths = [runs / f"ucf101/split{number}_i3d/evaluation.json" for number in (1, 2, 3)]
    common = {
        "clips": 1,
        "crops": 1,
        "split": "test",
        "dataset": "ucf101",
        "method": "i3d",
        "main_network": "inception_i3d",
    }
    common |= {"num_frames": 4, "num_distilled_frames": 4, "videos": 6, "top5": 1.0, "mean_class_accuracy": 0.5}
    summaries = [
        {**common, "top1": top1, "split_of_ucf101": number, "workdir": str(number)}
        for number, top1 in ((1, 0.5), (2, 0.6), (3, 0.7))
    ]
    (line,) = average.write([list(zip(paths, summaries, strict=True))])
    path = runs / "ucf101/average_i3d_test_T4_Ts4_clips1.json"
    assert "mean of 3 runs (splits 1, 2, 3 of UCF101): top-1 60.0% (standard deviation 10.0%)" in line
    assert str(path) in line
    written = json.loads(path.read_text())
    assert written["top1"] == pytest.approx(0.6)
    assert written["top1_standard_deviation"] == pytest.approx(0.1)
    assert written["splits_of_ucf101"] == [1, 2, 3]
    shutil.rmtree(runs / "ucf101/split2_i3d/checkpoints")
    assert [run.path.name for run in subjects.newest_runs(runs)] == ["split1_i3d", "split3_i3d"]
    assert average.write([list(zip(paths[:1], summaries[:1], strict=True))]) == []


def test_a_checkpoint_is_chosen_by_name_or_step(runs):
    run = WorkDirectory(runs / "ucf101/split1_i3d")
    assert subjects.of_run(run, checkpoint="4").facts["checkpoint"] == "step_00000004"
    for missing in ("best", "5"):
        with pytest.raises(UserError, match=f"has no checkpoint {missing}"):
            subjects.of_run(run, checkpoint=missing)


@pytest.mark.parametrize(
    ("validation", "chosen_on", "on_test"),
    [
        (None, None, False),
        ({"split": "train", "held_out_share": 0.1}, {"split": "train", "held_out_share": 0.1}, False),
        ({"split": "validate"}, {"split": "validate", "held_out_share": 0.0}, False),
        ({"split": "test"}, {"split": "test", "held_out_share": 0.0}, True),
    ],
)
def test_weights_that_were_chosen_say_on_what(runs, tmp_path, validation, chosen_on, on_test):
    shutil.copytree(runs / "ucf101/split1_i3d", tmp_path / "run")
    checkpoints = tmp_path / "run/checkpoints"
    shutil.copytree(checkpoints / "step_00000004", checkpoints / "best_00000004")
    if validation:
        (checkpoints / "best_00000004/validation.json").write_text(json.dumps(validation))
    run = WorkDirectory(tmp_path / "run")
    facts = subjects.of_run(run, checkpoint="best").facts
    assert (facts["chosen_on"], facts["chosen_on_test_videos"]) == (chosen_on, on_test)
    # By weights alone, and by the newest checkpoint, which nobody chose.
    shutil.copy(tmp_path / "run/config.json", checkpoints / "best_00000004")
    facts = subjects.of_weights(checkpoints / "best_00000004/network.weights.h5").facts
    assert (facts["chosen_on"], facts["chosen_on_test_videos"]) == (chosen_on, on_test)
    assert subjects.of_run(run).facts["chosen_on_test_videos"] is False
    if on_test:
        assert subjects.of_run(run, checkpoint="best", split="train").facts["chosen_on_test_videos"] is False


def test_runs_of_different_settings_are_not_averaged(runs):
    first = subjects.of_run(WorkDirectory(runs / "ucf101/split1_i3d"))
    other = subjects.of_run(WorkDirectory(runs / "ucf101/split1_i3d"), num_distilled_frames=4)
    with pytest.raises(UserError, match="must be of one setting: .* T=8, Ts=5, .* T=4, Ts=4; test them one by one"):
        average.check([first, other])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda run, data: (run / "config.json").unlink(), "is not a work directory"),
        (lambda run, data: shutil.rmtree(run / "checkpoints"), "has no checkpoint yet"),
        (lambda run, data: next(run.rglob("*.h5")).write_bytes(b"no weights"), "is not an HDF5 file of weights"),
        (lambda run, data: (run / "labels.txt").write_text("a\nb\nc\nd\ne\nf\n"), "label 0 is 'red horizontal' there"),
        (lambda run, data: (run / "labels.txt").write_text("a\n"), "is not the one that"),
        (lambda run, data: [path.unlink() for path in data.glob("test-*")], "no test shards"),
        (lambda run, data: [path.write_bytes(b"") for path in data.glob("test-*")], "is empty"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_written(runs, tmp_path, damage, message):
    run, data = tmp_path / "run", tmp_path / "data"
    shutil.copytree(runs / "ucf101/split1_i3d", run, ignore=shutil.ignore_patterns("evaluation_*"))
    shutil.copytree(runs.parent / "data/split1", data)
    damage(run, data)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UserError, match=message):
        evaluation.evaluate(subjects.of_run(WorkDirectory(run), data_dir=str(data)), clips=[1], **OPTIONS)
    assert sorted(tmp_path.rglob("*")) == before


def test_damaged_videos_are_listed_and_not_counted(runs, damage_record, tmp_path):
    run, data = tmp_path / "run", tmp_path / "data"
    shutil.copytree(runs / "ucf101/split1_i3d", run, ignore=shutil.ignore_patterns("evaluation_*"))
    shutil.copytree(runs.parent / "data/split1", data)
    name = damage_record(data, "test")
    subject = subjects.of_run(WorkDirectory(run), data_dir=str(data), num_distilled_frames=4)
    with pytest.raises(UserError) as error:
        evaluation.evaluate(subject, clips=[1], damaged_share=0.16, **OPTIONS)
    assert str(error.value).startswith(f"{name}: ")
    assert "1 of 6 records are damaged, and a share of 0.16 is tolerated" in str(error.value)
    assert not list(run.glob("evaluation*"))
    ((path, summary),) = evaluation.evaluate(subject, clips=[1], damaged_share=0.17, **OPTIONS)
    assert json.loads(path.read_text())["damaged"] == [f"{name}: expected a label from 0 to 5, got 99"]
    assert summary["videos"] == 5
    assert sorted(entry["videos"] for entry in summary["per_class"]) == [0, 1, 1, 1, 1, 1]
    assert [entry["top1"] for entry in summary["per_class"] if not entry["videos"]] == [None]


def test_a_network_that_answers_nan_is_no_perfect_network(runs, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(runs / "ucf101/split1_i3d", run, ignore=shutil.ignore_patterns("evaluation_*"))
    network = WorkDirectory(run).load_network()
    network.main_network.weights[0].assign(np.full(network.main_network.weights[0].shape, np.nan))
    network.save_weights(next(run.rglob("*.weights.h5")))
    subject = subjects.of_run(WorkDirectory(run), num_distilled_frames=4)
    with pytest.raises(UserError, match="the network's answer for test-.* is not finite"):
        evaluation.evaluate(subject, clips=[1], **OPTIONS)
    assert not list(run.glob("evaluation*"))


def test_a_share_has_the_standard_error_of_a_share(tested):
    _, summary = tested[0]
    expected = metrics.mean_and_standard_error(np.arange(6) < round(6 * summary["top1"]))
    assert (summary["top1"], summary["top1_standard_error"]) == pytest.approx(expected)
