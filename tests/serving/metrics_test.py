from tsd_tf.serving import metrics as names
from tsd_tf.serving.metrics import Metrics


def test_the_page_of_counters_and_histograms():
    metrics = Metrics()
    for _ in range(3):
        metrics.count(names.REQUEST_COUNT, model_name='a"b', status="OK")
    for size in (1, 3, 999):
        metrics.observe(names.BATCH_SIZE, size)
    metrics.observe(names.REQUEST_LATENCY, 18.0, model_name="tsd", API="Predict", entrypoint="GRPC")
    lines = metrics.text().splitlines()
    assert "# TYPE :tensorflow:serving:request_count counter" in lines
    assert ':tensorflow:serving:request_count{model_name="a\\"b",status="OK"} 3' in lines
    batch = ":tensorflow:serving:batching_session:processed_batch_size"
    assert f'{batch}_bucket{{le="1"}} 1' in lines
    assert f'{batch}_bucket{{le="2"}} 1' in lines
    assert f'{batch}_bucket{{le="4"}} 2' in lines
    assert f'{batch}_bucket{{le="256"}} 2' in lines
    assert f'{batch}_bucket{{le="+Inf"}} 3' in lines
    assert f"{batch}_sum{{}} 1003.0" in lines
    assert f"{batch}_count{{}} 3" in lines
    latency = ':tensorflow:serving:request_latency_bucket{model_name="tsd",API="Predict",entrypoint="GRPC"'
    assert f'{latency},le="10.0"}} 0' in lines
    assert f'{latency},le="18.0"}} 1' in lines
