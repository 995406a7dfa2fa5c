"""The benchmark of the batcher, on a function that takes as long as it says."""

import json
import time

import numpy as np

from benchmarks import batching


def _function(inputs):
    time.sleep(0.002)
    return {"y": inputs["x"]}


def test_what_it_reports():
    inputs = {"x": np.zeros((1, 3), "uint8")}
    alone = batching.alone(_function, inputs, 3)
    assert alone["call_ms"] >= 2
    assert alone["request_ms"] >= 2
    (one, many) = batching.by_clients(_function, inputs, [1, 20], 0.2, 0.2)
    json.dumps([alone, one, many])
    assert (one["clients"], many["clients"]) == (1, 20)
    # One client gets an answer a call, twenty share it; whoever waits for company waits for nobody.
    assert many["adaptive"]["clips_per_second"] > one["adaptive"]["clips_per_second"]
    assert one["fixed_wait"]["median_ms"] >= 200 > one["adaptive"]["median_ms"]
    assert many["full_batches"]["clips_per_second"] > 0
