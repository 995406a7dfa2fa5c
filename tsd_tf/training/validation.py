"""How good the network is on held-out videos, while it trains."""

import dataclasses
import math
import time
from typing import Any

from tqdm import tqdm

from tsd_tf.config import Config
from tsd_tf.contract.errors import UserError
from tsd_tf.data.evaluation_clips import EvaluationClips
from tsd_tf.data.part import Part
from tsd_tf.data.records import Records
from tsd_tf.data.shards import find_shards
from tsd_tf.evaluation import protocol
from tsd_tf.evaluation.network_classifier import NetworkClassifier
from tsd_tf.network import FewFrameNetwork
from tsd_tf.training import checkpoints
from tsd_tf.training.observer import Observer
from tsd_tf.training.run_state import RunState
from tsd_tf.work_directory import WorkDirectory

_OWN_SPLIT = "validate"  # of data that have one beside their test split


@dataclasses.dataclass(frozen=True)
class ValidationPlan:
    """Which validation a run does; it changes nothing about the training.

    Attributes:
        split: the shards; None for videos that nobody trains or tests on, see `videos`.
        steps: steps between validations; None for one at every checkpoint.
        num_clips: Q, clips a video.
        num_videos: videos at most, the first ones of the shards, rounded up to whole batches; 0 for no validation.
        batch_size: videos in a batch.
    """

    split: str | None = None
    steps: int | None = None
    num_clips: int = 1
    num_videos: int = 1000
    batch_size: int = 4

    def videos(self, config: Config) -> tuple[str, list[str], Part | None] | None:
        """What to validate on: (split, its shards, the Part of them or None for all); None for no validation.

        Where no split is named, it is the part of the training videos that the configuration holds out; where it holds
        none out, the split "validate", unless that is the one that evaluate.py tests on. Prints why there is none.
        """
        if self.num_videos == 0:
            return None
        if self.split is not None:
            return self.split, find_shards(config.data_dir, self.split), None
        if config.held_out_share:
            split = config.stages[-1].split
            return split, find_shards(config.data_dir, split), Part(config.held_out_share, is_held_out=True)
        reason = f"{_OWN_SPLIT} is what evaluate.py tests on"
        if config.evaluation_split != _OWN_SPLIT:
            try:
                return _OWN_SPLIT, find_shards(config.data_dir, _OWN_SPLIT), None
            except UserError:
                reason = f"{config.data_dir} has no {_OWN_SPLIT} shards"
        print(f"No validation while it trains: no training video is held out, no split is named, and {reason}")
        return None


class Validation(Observer):
    """Tests the network as evaluate.py does, reports and prints the result, and keeps the weights that were best.

    Stages of the coarse extractor are left out: they do not train the network.

    Args:
        work_directory: a WorkDirectory.
        network: the FewFrameNetwork that is trained.
        config: its Config.
        plan: a ValidationPlan.
        records: the Records of what the plan's `videos` found.
        split: the split that they are of.
    """

    def __init__(
        self,
        work_directory: WorkDirectory,
        network: FewFrameNetwork,
        config: Config,
        plan: ValidationPlan,
        records: Records,
        split: str,
    ) -> None:
        self.work_directory = work_directory
        self.classifier = NetworkClassifier(network)  # Kept, since its first call traces it.
        self.plan = plan
        self.split = split
        self.clips = EvaluationClips(
            records,
            config.clip_spec,
            num_clips=plan.num_clips,
            batch_size=plan.batch_size,
            seed=config.seed,
            num_videos=plan.num_videos,
        )
        best = checkpoints.best_result(work_directory)
        self.best_top1 = best["top1"] if best else -math.inf

    def step_ends(self, state: RunState) -> None:
        if not self.is_due(state):
            return
        result = self.run(state)
        tqdm.write(
            f"step {result['total_steps']}: top-1 {result['top1']:.1%} (standard error "
            f"{result['top1_standard_error']:.1%}) on {result['videos']} videos of {result['split']}"
            + (" that are held out" if result["held_out_share"] else "")
        )
        state.report({"validation": result})

    def close(self) -> None:
        self.clips.close()

    def is_due(self, state: RunState) -> bool:
        """Whether to validate after the last step."""
        if state.stage.trains == "coarse_extractor":
            return False
        if self.plan.steps is None:
            return state.checkpoint_is_due
        return state.step % self.plan.steps == 0 or state.step == state.stage.num_steps

    def run(self, state: RunState) -> dict[str, Any]:
        """Tests the network, and writes `checkpoints/best_...` if it is better than before.

        Returns:
            {"stage", "step", "total_steps", "split", "held_out_share" (of the split; 0 for all of it), "top1",
            "top1_standard_error", "top5", "videos", "clips", "seconds"}.
        """
        began = time.monotonic()
        plan = self.plan
        with tqdm(desc="validate", unit="video", mininterval=1.0, leave=False) as bar:
            summary = protocol.collect(self.classifier, protocol.shown(self.clips, bar)).summary(plan.num_clips)
        result = {
            "stage": state.stage.name,
            "step": state.step,
            "total_steps": state.total_steps,
            "split": self.split,
            "held_out_share": part.share if (part := self.clips.records.part) else 0.0,
            **{name: summary[name] for name in ("top1", "top1_standard_error", "top5", "videos", "clips")},
            "seconds": time.monotonic() - began,
        }
        if result["top1"] > self.best_top1:
            self.best_top1 = result["top1"]
            checkpoints.save_best(self.work_directory, state.network, result)
        return result
