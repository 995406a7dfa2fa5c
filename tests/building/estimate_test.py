import re

import pytest

from tsd_tf.building import annotations, conversion, estimate, sharding


def test_figures_of_a_sample_for_the_whole(tmp_path, write_video, capsys):
    for i in range(6):
        write_video(f"v/{i}.avi", 25, last_change=0)
    rows = [annotations.Row(i + 2, f"{i}", 0, "a", 0.0, None, path=f"{i % 8}.avi") for i in range(80)]
    arguments = (tmp_path / "v", tmp_path / "new/out", ["a"], conversion.Settings(short_side=24))
    seconds, num_bytes = estimate.run(rows, *arguments, processes=2, num_videos=30)
    assert [path.name for path in tmp_path.iterdir()] == ["v"]  # nothing is left behind
    printed = capsys.readouterr().out
    found = re.search(r"30 videos on 2 of \d+ cores: ([\d.]+) s, ([\d.]+) CPU seconds and ([\d.]+) MB", printed)
    assert float(found[1]) == pytest.approx(seconds / 2, abs=0.06)
    assert 0 < float(found[2]) <= seconds / 2 * 2 / 30 + 0.01  # two processes
    assert float(found[3]) == pytest.approx(num_bytes / 60 / 1e6, abs=0.006)
    assert "20 of 80 rows have no video" in printed
    assert "all 60 videos: 0.0 CPU hours, 0.0 GB; 0.0 hours at this pace" in printed

    split = ("train", *arguments[2:])
    sharding.build(rows, *arguments[:2], *split, num_shards=1, processes=1)
    assert (tmp_path / "new/out/train-00000-of-00001").stat().st_size == pytest.approx(num_bytes, rel=0.01)
