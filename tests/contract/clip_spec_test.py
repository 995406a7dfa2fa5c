import pytest

from tsd_tf.config import sample
from tsd_tf.contract.clip_spec import ClipSpec


def test_a_configuration_names_its_clips():
    config = sample()
    assert config.clip_spec == ClipSpec(config.num_frames, config.crop_size, config.num_classes, config.random_flip)


@pytest.mark.parametrize("name", ["num_frames", "crop_size", "num_classes"])
def test_what_cannot_be_is_refused_by_name(name):
    with pytest.raises(ValueError, match=f"`{name}` must be at least 1. Received: {name}=0"):
        ClipSpec(**{"num_frames": 4, "crop_size": 16, "num_classes": 3, name: 0})
