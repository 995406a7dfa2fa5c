import json

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
