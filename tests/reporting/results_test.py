import json

import pytest

from tsd_tf.contract.errors import UserError
from tsd_tf.reporting import results, tables


def test_a_network_trained_for_fewer_bytes_stands_in_no_table_of_the_papers(tmp_path, write_result):
    plain = write_result(tmp_path, 0.5)
    coded = write_result(tmp_path, 0.6, name="coded")
    values = json.loads(coded.read_text())
    values["configuration"]["rate_weight"] = 1.0
    coded.write_text(json.dumps(values))
    found = results.read([plain, coded])
    entries = tables.table_2(found, "kinetics400", 3)
    assert [entry.accuracy.top1 for entry in entries if entry.accuracy] == [50.0]
    assert [result.run for result in tables.left_out(found, entries)] == [str(coded.parent)]


def test_runs_of_versions_with_fewer_options_may_be_averaged_while_these_are_off(tmp_path, write_result):
    earlier, today = write_result(tmp_path, 0.5), write_result(tmp_path, 0.6, run_seed=1)
    values = json.loads(today.read_text())
    values["configuration"] |= {"held_out_share": 0.0, "augmentations": []}
    today.write_text(json.dumps(values))
    found = results.accuracy(results.read([earlier, today]))
    assert found is not None
    assert (found.runs, found.is_chosen_on_test) == (2, False)
    values["configuration"]["held_out_share"] = 0.01
    today.write_text(json.dumps(values))
    with pytest.raises(UserError, match="held_out_share is None and 0.01"):
        results.accuracy(results.read([earlier, today]))
