from prometheus_client.parser import text_string_to_metric_families

from tsd_tf.serving import metrics as names
from tsd_tf.serving.metrics import Metrics

_BATCH = ":tensorflow:serving:batching_session:processed_batch_size"
_LATENCY = ":tensorflow:serving:request_latency"


def _samples(page):
    """{(name, labels): value}."""
    families = text_string_to_metric_families(page)
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def test_the_page_of_counters_and_histograms():
    metrics = Metrics()
    for _ in range(3):
        metrics.count(names.REQUEST_COUNT, model_name='a"b\\\n', status="OK")
    for size in (1, 3, 999):
        metrics.observe(names.BATCH_SIZE, size)
    metrics.observe(names.REQUEST_LATENCY, 18.0, model_name="tsd", API="Predict", entrypoint="GRPC")
    samples = _samples(metrics.text())
    labels = (("model_name", 'a"b\\\n'), ("status", "OK"))
    assert samples[":tensorflow:serving:request_count_total", labels] == 3  # this parser adds the ending itself
    batches = {labels[0][1]: value for (name, labels), value in samples.items() if name == f"{_BATCH}_bucket"}
    bounds = (1, 2, 4, 8, 16, 32, 64, 128, 256)
    assert batches == {**{f"{bound}.0": 1 + (bound > 2) for bound in bounds}, "+Inf": 3}
    assert samples[f"{_BATCH}_sum", ()] == 1003
    assert samples[f"{_BATCH}_count", ()] == 3
    labels = (("API", "Predict"), ("entrypoint", "GRPC"), ("model_name", "tsd"))
    buckets = {dict(key)["le"]: value for (name, key), value in samples.items() if name == f"{_LATENCY}_bucket"}
    assert len(buckets) == 34
    assert [buckets[bound] for bound in ("10.0", "18.0", str(10.0 * 1.8**2), "+Inf")] == [0, 1, 1, 1]
    assert samples[f"{_LATENCY}_count", labels] == 1


def test_the_names_are_tensorflow_servings():
    metrics = Metrics()
    metrics.count(names.REQUEST_COUNT, model_name="tsd", status="OK")
    metrics.observe(names.RUNTIME_LATENCY, 1.0, model_name="tsd", API="Predict", runtime="TF2")
    types = dict(line.split()[2:] for line in metrics.text().splitlines() if line.startswith("# TYPE"))
    assert types == {
        ":tensorflow:serving:request_count": "counter",
        ":tensorflow:serving:request_latency": "histogram",
        ":tensorflow:serving:runtime_latency": "histogram",
        ":tensorflow:serving:batching_session:queuing_latency": "histogram",
        ":tensorflow:serving:batching_session:processed_batch_size": "histogram",
        "tsd_serving_refusals_total": "counter",
        "tsd_serving_connections_ended_total": "counter",
    }
    assert "_created" not in metrics.text()
    assert ':tensorflow:serving:request_count{model_name="tsd",status="OK"} 1.0\n' in metrics.text()


def test_two_servers_in_a_process_count_apart():
    first, second = Metrics(), Metrics()
    first.count(names.REQUEST_COUNT, model_name="tsd", status="OK")
    assert "status" in first.text()
    assert "status" not in second.text()
