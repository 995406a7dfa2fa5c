import pytest

from tsd_tf.config import Config
from tsd_tf.contract import typed_fields
from tsd_tf.contract.errors import UserError


@pytest.mark.parametrize(
    "values",
    [
        {"num_frames": 40, "dropout_rate": 0, "dataset": "x", "random_flip": False},
        {"logit_scale": "auto", "gradient_clip_norm": None},
        {"logit_scale": 2, "gradient_clip_norm": 0.5, "stages": [{}, {}]},
    ],
)
def test_what_fits(values):
    typed_fields.check(Config, values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"num_frame": 3}, "there is no field 'num_frame' here; the nearest is 'num_frames'"),
        ({"": 3}, "there is no field '' here; the nearest is '"),
        ({"num_frames": 4.0}, "expected an integer in 'num_frames' here, got 4.0"),
        ({"num_frames": True}, "expected an integer in 'num_frames' here, got true"),
        ({"num_frames": "4"}, "expected an integer in 'num_frames' here, got \"4\""),
        ({"dropout_rate": False}, "expected a number in 'dropout_rate' here, got false"),
        ({"dropout_rate": float("nan")}, "expected a number in 'dropout_rate' here, got NaN"),
        ({"random_flip": 1}, "expected true or false in 'random_flip' here, got 1"),
        ({"gradient_clip_norm": "none"}, "expected a number or null in 'gradient_clip_norm' here, got \"none\""),
        ({"stages": 3}, "expected a list, each an object in 'stages' here, got 3"),
        ({"stages": [3]}, "expected a list, each an object in 'stages' here, got \\[3\\]"),
    ],
)
def test_what_does_not(values, message):
    with pytest.raises(UserError, match=message):
        typed_fields.check(Config, values, " here")
