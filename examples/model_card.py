"""The card of the model that ships, from the facts that `make model` found out."""

import pathlib
from typing import Any

_TEMPLATE = pathlib.Path(__file__).with_suffix(".md")


def card(facts: dict[str, Any]) -> str:
    """The card as Markdown.

    Args:
        facts: what `make model` writes as model.json.
    """
    tsd, i3d = facts["configuration"]["tsd"], facts["configuration"]["i3d"]
    first = facts["accuracy"][0]
    return _TEMPLATE.read_text().format(
        T=tsd["num_frames"],
        Ts=tsd["num_distilled_frames"],
        size=tsd["crop_size"],
        rate=tsd["frame_rate"],
        num_classes=len(facts["classes"]),
        classes=", ".join(facts["classes"]),
        num_train=facts["num_train"],
        num_test=facts["num_test"],
        seed=facts["seed"],
        chance=1 / len(facts["classes"]),
        accuracy="\n".join(map(_accuracy, facts["accuracy"])),
        codec=_coding(first),
        per_class="\n".join(f"| {one['class']} | {one['videos']} | {one['top1']:.0%} |" for one in facts["per_class"]),
        packages=", ".join(f"{name} {version}" for name, version in sorted(facts["versions"].items())),
        i3d_stages=_stages(i3d),
        tsd_stages=_stages(tsd),
    )


def _accuracy(one: dict[str, Any]) -> str:
    return (
        f"| {one['clips']} | {_coding(one)} | {one['bytes_per_clip']:,.0f} | {one['top1']:.1%} | "
        f"{one['top1_standard_error']:.1%} |"
    )


def _coding(one: dict[str, Any]) -> str:
    return one["codec"] if one["quality"] is None else f"{one['codec']} of quality {one['quality']}"


def _stages(configuration: dict[str, Any]) -> str:
    return ", ".join(
        f"`{stage['name']}` {stage['num_steps']} steps of {stage['batch_size']} clips"
        for stage in configuration["stages"]
    )
