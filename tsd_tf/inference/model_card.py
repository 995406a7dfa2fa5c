"""The card of a network on the Hub: what it is, how it was trained, and what its tests found."""

import json
import os
import pathlib
from collections.abc import Sequence

import keras

from tsd_tf.config import Config
from tsd_tf.network import FewFrameNetwork
from tsd_tf.reporting import names, results
from tsd_tf.reporting.table import Table

_CARD = """---
library_name: keras
pipeline_tag: video-classification
tags:
- action-recognition
- tsd_tf
---

# {repository}

Recognises which of {num_classes} actions happens in a clip of {T} frames, from {Ts} {frames}: {method} of *Temporal
Sequence Distillation* (Zhang, Kuang, Luo, Feng and Zhang, ACM MM 2018), by tsd_tf {version}.

```python
import tsd_tf

model = tsd_tf.load("hf://{repository}")
result = model.predict("video.mp4", clips=3)
```

| | |
| --- | --- |
| data set | {dataset} |
| clips | {T} frames at {rate:g} a second, {size} x {size} pixels in the middle of a short side of {short_side} |
| parameters | {client:,} of the client half, {cloud:,} of the cloud half{width} |
| files | `config.json`, `labels.txt`, `network.weights.h5` (Keras); this card is generated |

## Accuracy

{accuracy}

## Training

{stages}

Seed {seed}.

## Classes

{classes}
"""


def card(
    repository: str,
    network: FewFrameNetwork,
    config: Config,
    labels: Sequence[str],
    run: str | os.PathLike,
    checkpoint: str,
) -> str:
    """The card as Markdown with the Hub's metadata; a licence is the owner's to add.

    Args:
        repository: user/name.
        network, config, labels: of the run.
        run: its folder.
        checkpoint: the name of that of the weights; the tests of it whose results lie in the run's folder are stated.
    """
    import tsd_tf

    return _CARD.format(
        repository=repository,
        num_classes=len(labels),
        T=config.num_frames,
        Ts=config.num_distilled_frames,
        frames="distilled frames" if config.method == "tsd" else "of them",
        method=names.method(config.method, config.main_network),
        version=tsd_tf.__version__,
        dataset=config.dataset,
        rate=config.frame_rate,
        size=config.crop_size,
        short_side=config.short_side,
        client=_count(network.selector),
        cloud=_count(network.main_network),
        accuracy=_accuracy(run, checkpoint),
        stages=_stages(config),
        seed=config.seed,
        width="" if config.main_network_width == 1 else f", {config.main_network_width:g} of the paper's channels",
        classes=", ".join(labels),
    )


def _count(part: keras.layers.Layer) -> int:
    return sum(int(keras.ops.size(variable)) for variable in part.trainable_variables)


def _checkpoint(evaluation: pathlib.Path) -> str | None:
    """The name of the checkpoint that a test was of."""
    return json.loads(evaluation.read_text()).get("checkpoint")


def _accuracy(run: str | os.PathLike, checkpoint: str) -> str:
    found = results.read([run]) if any(pathlib.Path(run).rglob("evaluation_*.json")) else []
    tested = [one for one in found if one.is_of_a_network and _checkpoint(one.path) == checkpoint]
    if not tested:
        return "Not tested."
    rows = [
        (one.split, one.videos, one.clips, f"{one.top1:.1%}", f"{one.top1_standard_error:.1%}")
        for one in sorted(tested, key=lambda one: (one.split, one.clips))
    ]
    return Table(("split", "videos", "clips a video", "top-1", "standard error"), rows).markdown().strip()


def _stages(config: Config) -> str:
    rows = [(stage.name, stage.num_steps, stage.batch_size, stage.optimizer) for stage in config.stages]
    return Table(("stage", "steps", "clips a step and replica", "optimizer"), rows).markdown().strip()
