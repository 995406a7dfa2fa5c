"""The commands of the README and of docs/own_data.md, run as they stand there: one step, small frames."""

import os
import pathlib
import re
import shlex
import shutil
import socket
import subprocess
import sys

import numpy as np
import pytest

from tsd_tf.video.video_writing import write_video

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()

# What makes a command short enough for a test: one step of one small clip, nothing downloaded, few clips. A step at the
# paper's rate on one clip makes P's logits hundreds large: no network to export, or to compare with itself in int8.
EXTRA_FLAGS = {
    "train_kinetics.py": [
        "--max_steps=1",
        "--batch_size=1",
        "--mobilenet_weights=none",
        "--crop_size=64",
        "--learning_rate=1e-6",
    ],
    "train_ucf101.py": ["--max_steps=1", "--batch_size=1", "--crop_size=64"],
    "tsd_tf.export": ["--check_clips=1"],
}


def commands(heading, text=README):
    """The command lines of the sh blocks below a heading."""
    section = text.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return [line for block in re.findall(r"```sh\n(.*?)```", section, re.DOTALL) for line in block.splitlines()]


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def write_a_real_video(path, source, seed):
    """A copy of `source` where there is one, else sixty frames of moving colours, 340 x 256."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if source:
        shutil.copy(source, path)
        return
    noise = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    tile = noise.repeat(32, 0).repeat(43, 1)[:, :340]
    write_video(path, np.stack([np.roll(tile, 9 * frame, axis=1) for frame in range(60)]), 25.0)


@pytest.fixture(scope="module")
def user(tmp_path_factory):
    """A user's folder: Kinetics' and UCF101's files in small number, the checkout's scripts within reach."""
    folder = tmp_path_factory.mktemp("user")
    reference = pathlib.Path(os.environ["TSD_TEST_DATA"]) / "videos" if "TSD_TEST_DATA" in os.environ else None
    mp4, avi = (reference / "test.mp4", reference / "test.avi") if reference else (None, None)
    for name, split in (("train", "train"), ("val", "val")):
        lines = ["label,youtube_id,time_start,time_end,split,is_cc"]
        for index, label in enumerate(("abseiling", "zumba")):
            video_id = f"{name}{index:08d}"
            write_a_real_video(folder / name / label / f"{video_id}_000003_000005.mp4", mp4, index)
            lines.append(f"{label},{video_id},3,5,{split},0")
        (folder / f"kinetics-400_{name}.csv").write_text("\r\n".join(lines) + "\r\n")
    shutil.copy(folder / "val/zumba/val00000001_000003_000005.mp4", folder / "video.mp4")
    names = (ROOT / "tsd_tf/building/labels/ucf101.txt").read_text().split()
    lists = folder / "ucfTrainTestlist"
    lists.mkdir()
    (lists / "classInd.txt").write_text("".join(f"{index + 1} {name}\r\n" for index, name in enumerate(names)))
    for split in (1, 2, 3):
        for kind, group in (("train", "g08"), ("test", "g01")):
            entry = f"Archery/v_Archery_{group}_c01.avi"
            write_a_real_video(folder / "UCF-101" / entry, avi, split)
            number = " 3" if kind == "train" else ""
            (lists / f"{kind}list{split:02d}.txt").write_text(f"{entry}{number}\r\n")
    for script in ("train_kinetics.py", "train_ucf101.py", "evaluate.py"):
        (folder / script).symlink_to(ROOT / script)
    return folder


def run(command, user, ports):
    """Runs one line of the README; one that ends in & is left running and returned."""
    background = command.endswith(" &")
    python, *arguments = shlex.split(command.removesuffix(" &"))
    assert python == "python", command
    program = arguments[1] if arguments[0] == "-m" else arguments[0]
    arguments += EXTRA_FLAGS.get(program, [])
    if program == "tsd_tf.gateway":
        arguments += [f"--port={ports[0]}", f"--rest_port={ports[1]}", "--admin_port=0"]
    arguments = [re.sub(r"127\.0\.0\.1:8500", f"127.0.0.1:{ports[0]}", argument) for argument in arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=user,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if background:
        line = next((line for line in process.stdout if line.startswith("gateway")), "")
        assert line, "the server ended without its ready line"
        return process, line
    output, _ = process.communicate(timeout=1200)
    assert process.returncode == 0, f"{command}\n{output}"
    assert "Traceback" not in output
    return None, output


def test_the_kinetics_commands_lead_from_videos_to_a_served_answer(user):
    ports = free_port(), free_port()
    outputs, servers = {}, []
    try:
        for command in commands("On Kinetics-400")[:7]:
            server, output = run(command, user, ports)
            servers += [server] if server else []
            outputs[command.split(" --")[0]] = output
    finally:
        for server in servers:
            server.terminate()
            server.wait(timeout=60)
            server.stdout.close()
    assert len(outputs) == 6  # build_kinetics is there twice
    assert list((user / "data/kinetics400").glob("validate-00000-of-*"))
    assert (user / "runs/kinetics400/i3d/finished").exists()
    assert "2 videos" in outputs["python evaluate.py"]
    assert "Q=10" in outputs["python evaluate.py"]
    answer = outputs["python -m tsd_tf.client video.mp4"]
    assert re.search(r"video\.mp4: .+ \(\d", answer), answer


def test_the_ucf101_commands_go_on_from_there(user):
    if not (user / "runs/kinetics400/tsd_T40_Ts10/finished").exists():
        pytest.fail("the Kinetics commands did not leave the run that fine-tuning starts from")
    outputs = [run(command, user, (0, 0))[1] for command in commands("On Kinetics-400")[7:]]
    assert len(outputs) == 3
    assert (user / "runs/ucf101/split1_tsd_T40_Ts10/finished").exists()
    assert "1 videos" in outputs[-1]


def test_the_page_about_own_data_leads_from_a_folder_to_a_served_answer(user):
    text = (ROOT / "docs/own_data.md").read_text()
    if not (user / "runs/kinetics400/tsd_T40_Ts10/finished").exists():
        pytest.fail("the Kinetics commands did not leave the run that fine-tuning starts from")
    for seed in range(12):
        write_a_real_video(user / "videos" / ("wave", "jump")[seed % 2] / f"{seed}.mp4", None, seed)
    ports, servers, output = (free_port(), free_port()), [], ""
    try:
        for command in commands("From a folder to a served answer", text):
            server, output = run(command, user, ports)
            servers += [server] if server else []
    finally:
        for server in servers:
            server.terminate()
            server.wait(timeout=60)
            server.stdout.close()
    assert re.search(r"video\.mp4: (wave|jump) \(\d", output), output
    assert (user / "data/custom/labels.txt").read_text() == "jump\nwave\n"
    names = {path.name.partition("-")[0] for path in (user / "data/custom").glob("*-of-*")}
    assert names == {"train", "validate", "test"}
    # What it trains is what the Kinetics commands train: here it only has to understand its flags.
    (command,) = commands("From nothing", text)
    arguments = [*shlex.split(command)[1:], "--mobilenet_weights=none", "--i3d_checkpoint=nowhere/model.ckpt"]
    done = subprocess.run([sys.executable, *arguments], cwd=user, capture_output=True, text=True, timeout=300)
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert done.returncode == 1
    assert "nowhere/model.ckpt" in line


def test_make_has_the_targets_that_the_readme_names():
    names = set(re.findall(r"`?make ([a-z-]+)", README))
    assert {"demo", "test", "venv"} <= names
    for name in names:
        done = subprocess.run(["make", "-n", name], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def test_the_python_example_is_true():
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    block = next(block for block in blocks if "FewFrameNetwork(" in block)  # the other one is in docs/python.md as well
    names = {"frames": np.random.default_rng(0).uniform(-1, 1, (1, 40, 224, 224, 3)).astype("float32")}
    lines = block.splitlines()
    whole = next(index for index, line in enumerate(lines) if line.startswith("logits"))
    exec("\n".join(lines[: whole + 1]), names)
    logits = np.asarray(names["logits"])
    exec("\n".join(lines[whole + 1 :]), names)
    np.testing.assert_allclose(np.asarray(names["logits"]), logits, atol=1e-5)
    assert names["distilled"].shape == (1, 10, 224, 224, 3)
    np.testing.assert_allclose(np.asarray(names["matrix"]).sum(1), 1.0, atol=1e-5)


def test_files_that_the_readme_names_are_there():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        if not target.startswith("http"):
            assert (ROOT / target).exists(), target
