"""The body that performs motions, in any proportions."""

import dataclasses
import functools
import pathlib
import xml.etree.ElementTree as ET

import pybullet_data

# Which factors scale the length and the thickness of a part.
_FACTORS = {
    "base": ("torso", "girth"),
    "root": ("torso", "girth"),
    "chest": ("torso", "girth"),
    "neck": ("torso", "head"),
    "hip": ("legs", "girth"),
    "knee": ("legs", "girth"),
    "ankle": ("girth", "girth"),
    "shoulder": ("arms", "girth"),
    "elbow": ("arms", "girth"),
    "wrist": ("arms", "girth"),
}


@dataclasses.dataclass(frozen=True)
class Body:
    """Proportions, as factors on those of pybullet_data's humanoid.

    Attributes:
        legs, arms, torso: of their lengths.
        girth: of the thickness of everything but the head.
        head: of the head's size.
    """

    legs: float = 1.0
    arms: float = 1.0
    torso: float = 1.0
    girth: float = 1.0
    head: float = 1.0

    def urdf(self) -> str:
        """The body as a URDF: the humanoid's, with its numbers changed."""
        robot = ET.fromstring(_humanoid())
        for link in robot.iter("link"):
            length, thickness = self._factors(link.attrib["name"])
            for shape in link.iter("collision"):
                _scale(shape, "origin", "xyz", length)
                _scale(shape, "geometry/capsule", "length", length)
                _scale(shape, "geometry/capsule", "radius", thickness)
                _scale(shape, "geometry/sphere", "radius", thickness)
                _scale(shape, "geometry/box", "size", thickness)
        for joint in robot.iter("joint"):
            for parent in joint.iterfind("parent"):
                _scale(joint, "origin", "xyz", self._factors(parent.attrib["link"])[0])
            if joint.get("type") == "spherical":
                ET.SubElement(joint, "axis", xyz="1 0 0")  # of no effect; without it, pybullet prints a warning
        return ET.tostring(robot, encoding="unicode")

    def _factors(self, link: str) -> tuple[float, float]:
        """Those of a link's length and thickness."""
        length, thickness = _FACTORS[link.removeprefix("right_").removeprefix("left_")]
        return getattr(self, length), getattr(self, thickness)


@functools.cache
def _humanoid() -> str:
    return (
        (pathlib.Path(pybullet_data.getDataPath()) / "humanoid/humanoid.urdf").read_text().rstrip("\0 \n")
    )  # it ends in a zero byte


def _scale(element: ET.Element, path: str, attribute: str, factor: float) -> None:
    for found in element.iterfind(path):
        numbers = (float(number) * factor for number in found.attrib[attribute].split())
        found.set(attribute, " ".join(f"{number:.6f}" for number in numbers))
