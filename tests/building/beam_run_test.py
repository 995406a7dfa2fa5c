import contextlib
import os
import pickle
import subprocess
import sys
import threading

import pytest

from tsd_tf.building import annotations, conversion, sharding
from tsd_tf.contract.errors import UserError

pytestmark = pytest.mark.slow


@pytest.fixture
def rows(write_video):
    """Twenty clips: a part of five pieces."""
    for i in range(20):
        write_video(f"videos/v{i}.avi", 5 + i)
    return [annotations.Row(i + 1, f"v{i}", 0, "a", 0.0, None, ((f"v{i}", 0.0),)) for i in range(20)]


def build(rows, tmp_path, out, **options):
    arguments = (rows, tmp_path / "videos", tmp_path / out, "train", ["a"], conversion.Settings(short_side=24))
    return sharding.build(*arguments, num_shards=1, processes=1, **options)


def test_the_same_files_as_on_one_machine(kinetics, tmp_path, run_program, contents):
    """Broken, missing, short and whole videos, through Beam's own worker threads: every file has the same bytes."""
    pytest.importorskip("apache_beam")
    arguments = [*kinetics, "--num_shards=2"]
    local = run_program("tfrecords.build_kinetics", *arguments, f"--output_dir={tmp_path}/local", "--processes=1")
    assert local.returncode == 0, local.stderr
    beam = run_program(
        "tfrecords.build_kinetics",
        *arguments,
        f"--output_dir={tmp_path}/beam",
        "--runner=DirectRunner",
        "--",
        "--direct_num_workers=2",
        "--direct_running_mode=multi_threading",
    )
    assert beam.returncode == 0, beam.stderr
    counts = "10 rows: 5 written, 1 truncated, 1 missing, 2 unreadable, 1 too short"
    assert counts in local.stdout
    assert counts in beam.stdout
    assert "9/9" in beam.stderr  # the missing one has no video
    assert contents(tmp_path / "beam") == contents(tmp_path / "local")
    assert len(list((tmp_path / "beam").glob("train-*-of-00002"))) == 2


def test_a_failed_pipeline_leaves_what_another_goes_on_with(rows, tmp_path, monkeypatch, contents):
    """A worker that does not see the videos writes none off; finished pieces stay; a crashed decoder is tried again."""
    pytest.importorskip("apache_beam")
    from tsd_tf.building import beam_run
    from tsd_tf.building.worker import Worker

    options = ["--runner=DirectRunner"]
    build(rows, tmp_path, "whole")

    run = beam_run.run
    with monkeypatch.context() as patch:
        patch.setattr(beam_run, "run", lambda parts, videos_dir, *rest: run(parts, f"{videos_dir}/unmounted", *rest))
        with pytest.raises(UserError, match=r"pipeline failed: .*does not see the folder of videos, .*/unmounted"):
            build(rows, tmp_path, "out", beam_options=options)
    assert not list((tmp_path / "out").glob("train-*"))
    (tasks,) = (tmp_path / "out/.building-train").glob("part-*.tasks")
    pickle.loads(tasks.read_bytes()).piece(0).run({}, lambda position: None)

    assign, poll, assigned, killed = Worker.assign, Worker.poll, [], []

    def recording_assign(worker, job):
        assigned.append((job.part, job.index))
        assign(worker, job)

    def killing_poll(worker):
        if worker.position and not killed:
            killed.append(worker.position)
            worker.kill()
        return poll(worker)

    monkeypatch.setattr(Worker, "assign", recording_assign)
    monkeypatch.setattr(Worker, "poll", killing_poll)
    assert build(rows, tmp_path, "out", beam_options=options)["written"] == 20
    assert sorted(assigned) == [(0, 1), (0, 2), (0, 3), (0, 4)]
    assert len(killed) == 1
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_an_unknown_runner(rows, tmp_path):
    pytest.importorskip("apache_beam")
    with pytest.raises(UserError, match="Unexpected pipeline runner: NoRunner"):
        build(rows, tmp_path, "out", beam_options=["--runner=NoRunner"])


@pytest.fixture(scope="module")
def dask_cluster():
    """Two workers, which are processes, with one thread each."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster:
        yield cluster


def dask_options(cluster):
    return ["--runner=DaskRunner", f"--dask_client_address={cluster.scheduler_address}"]


def test_dask_without_a_cluster_of_ones_own(kinetics, tmp_path, run_program, contents):
    """Broken, missing, short and whole videos, on workers that the program starts: every file has the same bytes."""
    pytest.importorskip("distributed")
    arguments = [*kinetics, "--num_shards=2"]
    local = run_program("tfrecords.build_kinetics", *arguments, f"--output_dir={tmp_path}/local", "--processes=1")
    assert local.returncode == 0, local.stderr
    dask = run_program("tfrecords.build_kinetics", *arguments, f"--output_dir={tmp_path}/dask", "--runner=DaskRunner")
    assert dask.returncode == 0, dask.stderr
    counts = "10 rows: 5 written, 1 truncated, 1 missing, 2 unreadable, 1 too short"
    assert counts in local.stdout
    assert counts in dask.stdout
    assert "9/9" in dask.stderr
    assert "Traceback" not in dask.stderr
    assert contents(tmp_path / "dask") == contents(tmp_path / "local")


def test_a_dask_worker_is_killed(write_video, tmp_path, dask_cluster, contents):
    """Two workers convert; one is killed amid a piece, takes its decoder along, and the files are the same."""
    import distributed
    import psutil

    video = write_video("videos/v0.avi", 200, size=(64, 96))
    for i in range(1, 24):
        os.link(video, video.with_name(f"v{i}.avi"))
    rows = [annotations.Row(i + 1, f"v{i}", 0, "a", 0.0, None, ((f"v{i}", 0.0),)) for i in range(24)]
    build(rows, tmp_path, "local")

    with distributed.Client(dask_cluster, set_as_default=False) as client:
        workers = [psutil.Process(pid) for pid in set(client.run(os.getpid).values())]
    assert len(workers) == 2
    killed, ended = [], threading.Event()

    def kill_one():
        """The first worker that is seen to decode waits, its decoder stopped, until a piece is there; then it dies."""
        held = None
        while not ended.wait(0.01):
            if held is None:
                children = [child for worker in workers for child in worker.children()]
                held = next((child for child in children if "spawn_main" in " ".join(child.cmdline())), None)
                if held is not None:
                    worker = held.parent()
                    held.suspend()
            elif any((tmp_path / "dask").glob(".building-train/part-*-*.json")):
                worker.kill()
                with contextlib.suppress(psutil.NoSuchProcess):  # it went with its worker, as it should
                    held.resume()
                killed.append(held)
                return

    killer = threading.Thread(target=kill_one)
    killer.start()
    try:
        counts = build(rows, tmp_path, "dask", beam_options=dask_options(dask_cluster))
    finally:
        ended.set()
        killer.join()
    assert counts["written"] == 24
    assert killed
    assert not psutil.wait_procs(killed, timeout=10)[1]
    assert contents(tmp_path / "dask") == contents(tmp_path / "local")


def test_dask_workers_that_cannot_take_part(rows, tmp_path, dask_cluster, monkeypatch):
    from tsd_tf.building import beam_run

    run, options = beam_run.run, dask_options(dask_cluster)
    with monkeypatch.context() as patch:
        patch.setattr(beam_run, "run", lambda parts, videos_dir, *rest: run(parts, f"{videos_dir}/unmounted", *rest))
        with pytest.raises(
            UserError, match=r"^the Dask worker tcp://\S+ does not see the folder of videos, .*/unmount"
        ):
            build(rows, tmp_path, "out", beam_options=options)
    versions = beam_run._versions()
    monkeypatch.setattr(beam_run, "_versions", lambda: {**versions, "PyAV": "0.1"})
    with pytest.raises(
        UserError, match=r"the Dask (scheduler|worker) tcp://\S+ has other versions .*: PyAV \S+, not 0.1"
    ):
        build(rows, tmp_path, "out", beam_options=options)


def test_what_dask_would_leave_out_is_refused(rows, tmp_path, monkeypatch):
    pytest.importorskip("distributed")
    from apache_beam.runners.dask import overrides, transform_evaluator

    monkeypatch.delitem(transform_evaluator.TRANSLATIONS, overrides._GroupByKeyOnly)
    with pytest.raises(UserError, match=r"does not know _GroupByKeyOnly, the transform of 'whole parts/GroupByKey'"):
        build(rows, tmp_path, "out", beam_options=["--runner=DaskRunner"])


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--dask_client_address=127.0.0.1:9", "no Dask scheduler answers at 127.0.0.1:9: Timed out"),
        (
            "--dask_client_address=http://dask",
            "no Dask scheduler answers at http://dask: unknown address scheme 'http'",
        ),
        ("--dask_scheduler_file=/no.json", "no Dask scheduler has written /no.json"),
    ],
)
def test_no_dask_scheduler(rows, tmp_path, option, message):
    pytest.importorskip("distributed")
    with pytest.raises(UserError, match=f"^{message}"):
        build(rows, tmp_path, "out", beam_options=["--runner=DaskRunner", "--dask_connection_timeout=1", option])


def test_without_dask_it_is_one_line(kinetics, tmp_path):
    pytest.importorskip("apache_beam")
    program = (
        "import sys; sys.modules['distributed'] = None\nfrom tfrecords import build_kinetics; build_kinetics.start()"
    )
    command = [sys.executable, "-c", program, *kinetics, f"--output_dir={tmp_path}/out", "--runner=DaskRunner"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert done.stderr.startswith("error: DaskRunner needs packages that are missing: pip install 'tsd_tf[beam]'")
    assert done.stderr.count("\n") == 1


def test_without_beam_it_is_one_line(kinetics, tmp_path):
    program = (
        "import sys; sys.modules['apache_beam'] = None\nfrom tfrecords import build_kinetics; build_kinetics.start()"
    )
    command = [sys.executable, "-c", program, *kinetics, f"--output_dir={tmp_path}/out", "--runner=DirectRunner"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert done.stderr.startswith("error: --runner requires Apache Beam: pip install 'tsd_tf[beam]'")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--", "--direct_num_workers=2"], "expected flags only, received --direct_num_workers=2"),
        (["--runner=DirectRunner", "stray"], "expected Beam's options after --, got stray"),
        (["--runner=DirectRunner", "--processes=2"], "--estimate and --processes are about this machine"),
        (["--runner=DirectRunner", "--estimate=2"], "--estimate and --processes are about this machine"),
    ],
)
def test_flags_that_would_be_ignored(kinetics, run_program, arguments, message):
    done = run_program("tfrecords.build_kinetics", *kinetics, *arguments)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {message}")
