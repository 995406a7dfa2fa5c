import json
import random
import re

import pytest

from tsd_tf.serving.json_cost import JsonCost
from tsd_tf.serving.refusal import Refusal


@pytest.mark.parametrize("seed", range(20))
def test_it_counts_what_is_there_however_it_arrives(seed):
    draw = random.Random(seed)
    for _ in range(50):
        text = "".join(draw.choices('ab",[]{}: 1', k=draw.randint(0, 60)))
        cost, at = JsonCost(1 << 30), 0
        while at < len(text):
            size = draw.randint(1, 9)
            cost.add(text[at : at + size].encode())
            at += size
        assert cost.num_values == sum(map(text.count, ",[{"))
        assert cost.longest_string == max(map(len, re.findall(r'"([^"]*)"', text)), default=0)
        assert not cost.has_escapes


def test_a_clip_costs_its_numbers_and_lists():
    clip = [[[[1, 2, 3]] * 5] * 4] * 2  # 2 frames of 4 x 5
    cost = JsonCost(1000)
    cost.add(json.dumps({"inputs": [clip]}).encode())
    numbers, lists = 2 * 4 * 5 * 3, 2 * 4 * 5 + 2 * 4 + 2 + 1 + 1
    assert cost.num_values == numbers - 1 + lists + 1  # and an object; a comma less than numbers


def test_it_refuses_as_soon_as_there_are_too_many():
    cost = JsonCost(100)
    cost.add(b"[" + b"[]," * 33 + b'"\\n"')
    assert (cost.num_values, cost.has_escapes) == (68, True)
    for _ in range(16):
        cost.add(b"{},")
    with pytest.raises(Refusal, match="more than the 100 values that this server accepts") as caught:
        cost.add(b"{},")
    assert (caught.value.http_status, caught.value.reason) == (413, "too_many_values")
