from tsd_tf.data import pipeline


def test_builds_and_verifies(tmp_path, write_video, run_program):
    write_video("v/one folder/it's 1.mp4", 30)
    write_video("v/2.avi", 60)
    (tmp_path / "c.csv").write_text(
        "video,label,time_start,time_end\none folder/it's 1.mp4,wave,,\n2.avi,clap,1,2\n3.avi,clap,,\n"
    )
    arguments = [f"--csv={tmp_path}/c.csv", f"--videos_dir={tmp_path}/v", f"--output_dir={tmp_path}/out"]
    done = run_program("tfrecords.build_custom", *arguments, "--split=train", "--short_side=24", "--processes=1")
    assert done.returncode == 0, done.stderr
    assert "3 rows: 2 written, 0 truncated, 1 missing" in done.stdout
    shards = pipeline.find_shards(tmp_path / "out", "train")
    assert pipeline.read_labels(tmp_path / "out") == ["clap", "wave"]
    options = {"num_frames": 4, "num_clips": 1, "crop_size": 24, "num_classes": 2, "batch_size": 2, "seed": 0}
    (batch,) = pipeline.checked(pipeline.evaluation_clips(shards, **options), shards)
    labels = dict(zip(batch["media_id"].numpy().tolist(), batch["label"].numpy().tolist(), strict=True))
    assert labels == {b"one folder/it's 1": 1, b"2_1_2": 0}
    assert run_program("tfrecords.verify", tmp_path / "out", "--processes=1").returncode == 0
