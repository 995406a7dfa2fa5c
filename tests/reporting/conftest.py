"""Results written without a test."""

import json
import pathlib

import pytest


@pytest.fixture(scope="session")
def write_result():
    """A function: writes an evaluation's JSON as evaluate.py does, of any setting, and returns its path."""

    def write(runs, top1, method="tsd", num_frames=20, num_distilled_frames=5, clips=3, name=None, **changes):
        dataset = changes.get("dataset", "kinetics400")
        split = {"kinetics400": "validate"}.get(dataset, "test")
        seed = changes.get("run_seed", 0)
        folder = pathlib.Path(runs, dataset, name or f"{method}_T{num_frames}_Ts{num_distilled_frames}_seed{seed}")
        folder.mkdir(parents=True, exist_ok=True)
        frames = {"num_frames": num_frames, "num_distilled_frames": num_distilled_frames}
        common = {"dataset": dataset, "method": method, "main_network": "inception_i3d", **frames}
        values = {
            "format": 1,
            "clips": clips,
            "videos": 1000,
            "top1": top1,
            "top1_standard_error": 0.0125,
            "source": "work directory",
            "workdir": str(folder),
            "checkpoint": "step_00000004",
            **common,
            "run_seed": seed,
            "configuration": {**common, "evaluation_split": split, "seed": seed, "logit_scale": 1.0},
            "data_dir": f"data/{dataset}",
            "split": split,
            "split_of_ucf101": None,
            "bytes_per_clip": {"raw": 150528.0 * num_distilled_frames, "jpeg_90": 20000.0 * num_distilled_frames},
            **changes,
        }
        of_crops = f"_crops{changes['crops']}" if "crops" in changes else ""
        path = folder / f"evaluation_{split}_T{num_frames}_Ts{num_distilled_frames}_clips{clips}{of_crops}.json"
        path.write_text(json.dumps(values))
        return path

    return write
