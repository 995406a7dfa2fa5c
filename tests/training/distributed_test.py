"""Replicas in one process and in several, through the trainer and the program, in real processes on this machine."""

import dataclasses
import json
import os
import pathlib
import re
import socket
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tsd_tf.config import Stage, sample
from tsd_tf.contract import schema
from tsd_tf.network_builder import build_network

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).resolve().parents[2]

# One run of the trainer. A batch split over replicas gives the weights of the whole one but for batch norm, whose
# statistics are those of a replica's clips: it stays in inference mode here.
SCRIPT = """
import json, os, signal, sys
workdir, config, batch_size, num_devices, die_at, result = json.loads(sys.argv[1])
import dataclasses
import keras
import numpy as np
import tensorflow as tf
from tsd_tf.programs import command_line
from tsd_tf.config import Config
from tsd_tf.training.cluster import Cluster, default_cluster
from tsd_tf.training.observer import Observer
from tsd_tf.training.trainer import Trainer
from tsd_tf.work_directory import WorkDirectory

call = keras.layers.BatchNormalization.call
keras.layers.BatchNormalization.call = lambda self, inputs, training=None, mask=None: call(self, inputs, False, mask)

class Killer(Observer):
    def step_begins(self, state):
        if [state.stage.name, state.step] == die_at:
            os.kill(os.getpid(), signal.SIGKILL)

def main(argv):
    if num_devices > 1:
        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * num_devices)
        devices = [f"CPU:{index}" for index in range(num_devices)]
        cluster = Cluster(tf.distribute.MirroredStrategy(devices))
    else:
        cluster = default_cluster()
    run = Config.from_json(config)
    stages = [dataclasses.replace(stage, batch_size=batch_size) for stage in run.stages]
    run = dataclasses.replace(run, stages=stages)
    network = Trainer(WorkDirectory(workdir), run, cluster=cluster, checkpoint_steps=1, observers=[Killer()]).run()
    np.savez(result, **{str(i): np.asarray(v) for i, v in enumerate(network.weights)})

sys.argv = sys.argv[:1]
command_line.run(main)
"""


started = []


@pytest.fixture(autouse=True)
def leaves_no_process():
    yield
    while started:
        started.pop().kill()


def start(arguments, tf_config=None):
    """A process of Python with these arguments; its output is read by `finish`."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    if tf_config:
        environment["TF_CONFIG"] = json.dumps(tf_config)
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    started.append(process)
    return process


def finish(process):
    """(exit code, stdout, stderr) of a process that ends by itself."""
    stdout, stderr = process.communicate(timeout=600)
    return process.returncode, stdout, stderr


def train(workdir, config, batch_size, result, num_devices=1, die_at=None, tf_config=None):
    arguments = [str(workdir), config.to_json(), batch_size, num_devices, die_at, str(result)]
    return start(["-c", SCRIPT, json.dumps(arguments)], tf_config)


def two_workers():
    """TF_CONFIG of two processes on this machine."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    addresses = [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    return [{"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}} for index in range(2)]


def weights(path):
    with np.load(path) as arrays:
        return [arrays[str(index)] for index in range(len(arrays.files))]


def assert_close(found, expected):
    assert len(found) == len(expected)
    for index, (one, other) in enumerate(zip(found, expected, strict=True)):
        np.testing.assert_allclose(one, other, atol=1e-5, err_msg=str(index))


@pytest.fixture(scope="module")
def config(tiny_config, sample_videos, tmp_path_factory):
    """Both stages of TSD in front of C3D, on two shards of one video each: a step of two clips sees both videos."""
    from tsd_tf.building import annotations, conversion, sharding

    folder = tmp_path_factory.mktemp("two_shards")
    names = annotations.read_class_list(sample_videos / "labels.txt")
    videos = annotations.read_kinetics(sample_videos / "train.csv", names)[:2]
    settings = conversion.Settings(25.0, 64, 90, 1)
    sharding.build(
        videos, str(sample_videos / "train"), str(folder), "train", names, settings, num_shards=2, processes=1
    )
    return tiny_config(
        data_dir=str(folder), main_network="c3d", num_frames=16, num_distilled_frames=16, dropout_rate=0.0
    )


@pytest.fixture(scope="module")
def alone(config, tmp_path_factory):
    """The weights of one replica on both clips of each step."""
    folder = tmp_path_factory.mktemp("alone")
    code, _, stderr = finish(train(folder / "run", config, 2, folder / "weights.npz"))
    assert code == 0, stderr
    return weights(folder / "weights.npz")


def test_two_workers_end_with_the_weights_of_one_and_only_the_chief_writes(config, alone, tmp_path):
    processes = [
        train(tmp_path / f"run{index}", config, 1, tmp_path / f"{index}.npz", tf_config=tf_config)
        for index, tf_config in enumerate(two_workers())
    ]
    results = [finish(process) for process in processes]
    assert [code for code, *_ in results] == [0, 0], results
    chief, other = weights(tmp_path / "0.npz"), weights(tmp_path / "1.npz")
    for one, same in zip(chief, other, strict=True):
        np.testing.assert_array_equal(one, same)
    assert_close(chief, alone)
    assert (tmp_path / "run0/finished").exists()
    assert len((tmp_path / "run0/log.jsonl").read_text().splitlines()) == 2
    assert not (tmp_path / "run1").exists()
    assert "tsd_stage1" in results[0][2]
    assert results[1][1] == ""
    assert "tsd_stage1" not in results[1][2]


def test_the_tasks_of_a_slurm_job_train_together(sample_shards, tmp_path):
    """deploy/slurm/train.sh, with an srun that starts two tasks here, as SLURM would on two nodes."""
    bin_dir = tmp_path / "bin"
    bin_dir.mkdir()
    # SLURM would answer n[1-2] with the names of two nodes; both are this machine, so the ports have to differ.
    (bin_dir / "scontrol").write_text("#!/bin/sh\necho localhost\n")
    (bin_dir / "srun").write_text(
        "#!/bin/bash\nshift\n"
        'for rank in 0 1; do SLURM_PROCID=$rank "$@" > "$OUT/stdout$rank" 2> "$OUT/stderr$rank" & jobs+=($!); done\n'
        'for job in "${jobs[@]}"; do wait "$job" || exit 1; done\n'
    )
    (bin_dir / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    for path in bin_dir.iterdir():
        path.chmod(0o755)
    step = {"SLURM_JOB_ID": str(os.getpid()), "SLURM_STEP_NODELIST": "n1", "SLURM_STEP_TASKS_PER_NODE": "2"}
    (tmp_path / "small.py").write_text(
        "import keras\n\ndef network(shape, num_classes):\n"
        "    pool = keras.layers.GlobalAveragePooling3D()\n"
        "    return keras.Sequential([keras.Input(shape), pool, keras.layers.Dense(num_classes)])\n"
    )
    environment = {**os.environ, **step, "PATH": f"{bin_dir}:{os.environ['PATH']}", "OUT": str(tmp_path)}
    environment["PYTHONPATH"] = str(tmp_path)
    flags = ["--preset=sample", "--method=i3d", "--main_network=small:network", "--batch_size=1", "--max_steps=1"]
    flags += [f"--data_dir={sample_shards}", f"--workdir={tmp_path}/run"]
    command = ["bash", str(ROOT / "deploy/slurm/train.sh"), *flags]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600)
    outputs = [(tmp_path / f"stderr{rank}").read_text() for rank in (0, 1)]
    assert done.returncode == 0, outputs
    assert all("Waiting for 2 workers" in output for output in outputs)
    assert (tmp_path / "run/finished").exists()
    assert (tmp_path / "stdout0").read_text().splitlines()[-1] == f"Trained i3d_network: {tmp_path}/run"
    assert (tmp_path / "stdout1").read_text() == ""


def test_a_sweep_of_slurm_takes_a_recipe_for_each_task_of_the_array(tmp_path):
    (tmp_path / "some recipes").mkdir()
    for name in ("a", "b"):
        (tmp_path / f"some recipes/{name}.json").write_text("{}")
    (tmp_path / "python").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    (tmp_path / "python").chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "SLURM_ARRAY_TASK_ID": "1"}
    command = ["bash", str(ROOT / "deploy/slurm/sweep.sh"), "some recipes", "--T=40"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    expected = ["train_kinetics.py", "--config=some recipes/b.json", "--workdir=runs/some recipes/b", "--T=40"]
    assert done.stdout.splitlines() == expected


def test_two_replicas_end_with_the_weights_of_one_also_when_they_are_killed_in_between(config, alone, tmp_path):
    code, *_ = finish(train(tmp_path / "run", config, 1, None, num_devices=2, die_at=["tsd_stage1", 1]))
    assert code == -9
    assert max(int(path.name[5:]) for path in (tmp_path / "run/checkpoints").glob("step_*")) == 1
    code, _, stderr = finish(train(tmp_path / "run", config, 1, tmp_path / "weights.npz", num_devices=2))
    assert code == 0, stderr
    assert_close(weights(tmp_path / "weights.npz"), alone)


def test_a_loss_that_is_not_finite_names_the_records_of_all_replicas(config, tmp_path):
    stage = Stage("sampling", "network", 3, 1e15)
    config = dataclasses.replace(config, method="i3d_e", stages=(stage,))
    code, _, stderr = finish(train(tmp_path / "run", config, 1, tmp_path / "weights.npz", num_devices=2))
    assert code == 1, stderr
    assert "Traceback" not in stderr
    (line,) = [line for line in stderr.splitlines() if line.startswith("error: ")]
    assert re.match(r"error: the (loss|gradient norm) of step 1 of stage sampling is (nan|inf); its batch held", line)
    shards = sorted(pathlib.Path(config.data_dir).glob("train-0000*"))
    for shard in shards:
        (example,) = map(tf.train.SequenceExample.FromString, tf.data.TFRecordDataset(str(shard)).as_numpy_iterator())
        assert example.context.feature[schema.MEDIA_ID].bytes_list.value[0].decode() in line
    assert len(shards) == 2
    assert not (tmp_path / "run/finished").exists()


def wait_for(path, process):
    """Returns when `path` is there; the process must not end before."""
    while not path.exists():
        try:
            stdout, stderr = process.communicate(timeout=0.2)
        except subprocess.TimeoutExpired:
            continue
        pytest.fail(f"ended before {path}: {stdout}{stderr}")


def test_a_worker_that_dies_ends_the_others_and_the_same_command_goes_on(sample_shards, tmp_path):
    main_network = build_network(
        dataclasses.replace(sample("i3d_e"), main_network="c3d", num_frames=16, num_distilled_frames=16)
    ).main_network
    main_network.save_weights(tmp_path / "c3d.weights.h5")
    command = ["-m", "tsd_tf.programs.train_kinetics", "--preset=sample", "--method=i3d_e", "--main_network=c3d"]
    command += ["--T=16", "--Ts=16", f"--main_network_weights={tmp_path}/c3d.weights.h5", f"--data_dir={sample_shards}"]
    command += [f"--workdir={tmp_path}/run", "--batch_size=1", "--max_steps=6"]
    command += ["--checkpoint_steps=1", "--keep_checkpoints=9"]
    checkpoints = tmp_path / "run/checkpoints"
    # Worker 1 first, then the chief.
    for victim, step in ((1, 1), (0, 3)):
        processes = [start(command, tf_config) for tf_config in two_workers()]
        wait_for(checkpoints / f"step_{step:08d}", processes[0])
        processes[victim].kill()
        code, _, stderr = finish(processes[1 - victim])
        assert code == 1, stderr
        lines = [line for line in stderr.splitlines() if line.startswith("error: ")]
        assert len(lines) == 1, stderr
        assert f"worker {1 - victim} of 2 has lost another one" in lines[0]
        assert "same command" in lines[0]
        assert "Traceback" not in stderr
        finish(processes[victim])
        assert not (tmp_path / "run/finished").exists()
    before = {path.name: path.stat().st_mtime_ns for path in checkpoints.glob("step_*")}
    results = [finish(process) for process in [start(command, tf_config) for tf_config in two_workers()]]
    assert [code for code, *_ in results] == [0, 0], results
    assert (tmp_path / "run/finished").exists()
    assert max(path.name for path in checkpoints.glob("step_*")) == "step_00000006"
    assert before.items() <= {path.name: path.stat().st_mtime_ns for path in checkpoints.glob("step_*")}.items()
    assert results[0][1].splitlines()[-1] == f"Trained i3d_e_T16_Ts16_c3d: {tmp_path}/run"
    assert results[1][1] == ""
