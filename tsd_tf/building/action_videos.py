"""Videos of a person who walks and in the middle does something else: the class.

The person is drawn from motion capture (tsd_tf.building.motion) and walks on the spot. At a random time an action takes
over for a few frames, played at up to twice its speed; most frames of a video show nothing but walking. Camera, light,
colours, background, phase and speed are drawn anew for each video.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from tsd_tf.building import backdrop, motion
from tsd_tf.building.body import Body
from tsd_tf.building.sample_video import SampleVideo
from tsd_tf.building.studio import Camera, open_studio
from tsd_tf.contract.errors import UserError

_FRAME_RATE = 25.0
_CLOUDS = (40.0, 28.0, 18.0, 10.0)
_NOISE = 4.0  # standard deviation of every pixel's, in levels
_HEIGHT = (0.8, 0.95)  # metres: least and largest of what the camera looks at
_RAMP = 2.5  # frames from walking to the action and back, of an event of ten frames or more
_TYPICAL_FRAMES = 10


@dataclasses.dataclass(frozen=True)
class _Action:
    """A part of a recording, in shares of its length, and the moment in it that says most."""

    recording: str
    start: float
    end: float
    core: float


# The first six are those whose poses are farthest from each other's and from walking.
_ACTIONS = {
    "kick": _Action("kick", 0.2, 0.9, 0.5),
    "cartwheel": _Action("cartwheel", 0.2, 0.85, 0.5),
    "crawl": _Action("crawl", 0.0, 1.0, 0.3),
    "backflip": _Action("backflip", 0.1, 1.0, 0.55),
    "roll": _Action("roll", 0.15, 0.85, 0.4),
    "spin kick": _Action("spinkick", 0.1, 0.9, 0.54),
    "jump": _Action("jump", 0.1, 0.8, 0.5),
    "get up": _Action("getup_facedown", 0.2, 0.9, 0.62),
    "punch": _Action("punch", 0.15, 0.8, 0.45),
    "dance": _Action("dance_b", 0.0, 1.0, 0.23),
    "run": _Action("run", 0.0, 1.0, 0.45),
    "spin": _Action("spin", 0.2, 0.8, 0.42),
}
_WALK = "walk"


@dataclasses.dataclass(frozen=True)
class _Domain:
    """Who is pictured, and from where.

    Attributes:
        yaws: the middles of the ranges that the camera's yaw is drawn from, in degrees.
        pitch, distance: least and largest of the camera's, in degrees and metres.
        proportions: least and largest factor of each of a body's proportions.
    """

    yaws: tuple[float, float]
    pitch: tuple[float, float]
    distance: tuple[float, float]
    proportions: dict[str, tuple[float, float]]


_DOMAINS = {
    "main": _Domain((30.0, 210.0), (-25.0, 2.0), (1.75, 2.15), {}),
    "other_people": _Domain(
        (120.0, 300.0),
        (-50.0, -25.0),
        (2.2, 2.7),
        {"legs": (0.8, 1.2), "arms": (0.8, 1.25), "torso": (0.85, 1.2), "girth": (1.2, 1.7), "head": (0.8, 1.3)},
    ),
}
DOMAINS = tuple(_DOMAINS)


@dataclasses.dataclass(frozen=True)
class _Person:
    """Somebody in a video.

    Attributes:
        body: their proportions.
        colours: of skin, shirt and trousers.
        poses: (num_frames, POSE_SIZE).
        place, heading: where they are, and which way they face: see Studio.pose.
    """

    body: Body
    colours: tuple[np.ndarray, np.ndarray, np.ndarray]
    poses: np.ndarray
    place: tuple[float, float]
    heading: float


@dataclasses.dataclass(frozen=True)
class ActionVideos:
    """A scene (tsd_tf.building.scene).

    Attributes:
        size: height and width of a video, 64 to 224 and even.
        num_frames: length of a video, at 25 frames a second.
        event_frames: least and largest number of frames that the action lasts, 3 to 24.
        num_classes: 2 to 12 actions.
        clutter: whether a second person, who only walks, is somewhere in the picture.
        camera_motion: factor on how fast the camera turns and pans, 0 (it stands still) to 10.
        domain: one of DOMAINS; "other_people" has bodies of other proportions, and a camera that is elsewhere.
    """

    size: int = 64
    num_frames: int = 40
    event_frames: tuple[int, int] = (10, 14)
    num_classes: int = 12
    clutter: bool = False
    camera_motion: float = 1.0
    domain: str = "main"

    def __post_init__(self) -> None:
        if not 64 <= self.size <= 224 or self.size % 2:
            raise UserError(f"`size` must be from 64 to 224, and even. Received: size={self.size}")
        least, most = self.event_frames
        if not 3 <= least <= most <= 24:
            raise UserError(
                "`event_frames` must be a least and a largest number from 3 to 24. "
                f"Received: event_frames={least},{most}"
            )
        if self.num_frames < most + 2:
            raise UserError(
                "`num_frames` must be at least 2 more than the longest event's. "
                f"Received: num_frames={self.num_frames}, event_frames={least},{most}"
            )
        if not 2 <= self.num_classes <= len(_ACTIONS):
            raise UserError(
                f"`num_classes` must be from 2 to {len(_ACTIONS)}. Received: num_classes={self.num_classes}"
            )
        if not 0 <= self.camera_motion <= 10:
            raise UserError(f"`camera_motion` must be from 0 to 10. Received: camera_motion={self.camera_motion}")
        if self.domain not in _DOMAINS:
            raise UserError(f"`domain` must be one of {', '.join(DOMAINS)}. Received: domain={self.domain}")

    @property
    def class_names(self) -> list[str]:
        """The class names by label."""
        return list(_ACTIONS)[: self.num_classes]

    def render(self, seed: int | Sequence[int], label: int) -> SampleVideo:
        """Renders one video: a pure function of the settings and its arguments.

        What does not depend on a setting or the label stays as it is when they change: videos of one seed and two
        labels differ in the event alone.

        Args:
            seed: one number, or several that form one seed.
            label: index into `class_names`.
        """
        # A stream of random numbers for each concern: what one of them draws moves none of the others.
        acting, casting, filming, sensing, passing = np.random.default_rng(seed).spawn(5)
        event_start, event_frames, poses = self._perform(acting, _ACTIONS[self.class_names[label]])
        cameras = self._cameras(filming)
        people = [self._cast(casting, poses)]
        if self.clutter:
            place = _beside(passing, cameras[self.num_frames // 2].yaw)
            people.append(self._cast(passing, self._walk(passing), place, passing.uniform(0, 360)))
        frames = self._film(sensing, people, cameras)
        return SampleVideo(frames, label, event_start, event_frames, people[0].poses.astype("float32"))

    def _perform(self, rng: np.random.Generator, action: _Action) -> tuple[int, int, np.ndarray]:
        """The event's first frame and length, and the actor's poses."""
        least, most = self.event_frames
        length = int(rng.integers(least, most + 1))
        start = int(rng.integers(1, self.num_frames - length))
        poses = self._walk(rng)
        event = slice(start, start + length)
        frames = np.arange(length)
        from_edge = np.minimum(frames + 1, length - frames)
        shares = np.minimum(1, from_edge / (_RAMP * min(1, length / _TYPICAL_FRAMES)))
        poses[event] = motion.blend(poses[event], _play(rng, action, length), shares)
        return start, length, poses

    def _walk(self, rng: np.random.Generator) -> np.ndarray:
        walk = motion.load(_WALK)
        phase, speed = rng.uniform(0, walk.seconds), rng.uniform(0.8, 1.2)
        return walk.poses((phase + speed * np.arange(self.num_frames) / _FRAME_RATE) % walk.seconds)

    def _cast(
        self,
        rng: np.random.Generator,
        poses: np.ndarray,
        place: tuple[float, float] = (0.0, 0.0),
        heading: float = 0.0,
    ) -> _Person:
        """Somebody of a random body, in random colours."""
        proportions = _DOMAINS[self.domain].proportions
        body = Body(**{name: rng.uniform(*factors) for name, factors in proportions.items()})
        poses[:, 1] *= body.legs  # everybody's feet are on the same ground
        colours = rng.uniform(0.35, 1, 3), rng.uniform(0, 1, 3), rng.uniform(0, 1, 3)
        return _Person(body, colours, poses, place, heading)

    def _cameras(self, rng: np.random.Generator) -> list[Camera]:
        """Where the camera is in each frame."""
        domain = _DOMAINS[self.domain]
        target = (rng.uniform(-0.15, 0.15), 0.0, rng.uniform(*_HEIGHT))
        yaw = rng.choice(domain.yaws) + rng.uniform(-50, 50)
        pitch, distance = rng.uniform(*domain.pitch), rng.uniform(*domain.distance)
        turn = rng.uniform(-1, 1) * self.camera_motion
        light = tuple(rng.uniform(-1, 1, 3) + (0, 0, 2))
        return [Camera(target, distance, yaw + turn * frame, pitch, light) for frame in range(self.num_frames)]

    def _film(self, rng: np.random.Generator, people: Sequence[_Person], cameras: Sequence[Camera]) -> np.ndarray:
        studio = open_studio(tuple(person.body for person in people))
        for number, person in enumerate(people):
            studio.dress(number, *person.colours)
        scale = self.size / 64
        canvas = backdrop.clouds(rng, self.size, rng.uniform(70, 170, 3), _CLOUDS)
        start, velocity = rng.uniform(10, 54, 2) * scale, rng.uniform(-0.5, 0.5, 2) * scale * self.camera_motion
        is_mirrored = rng.random() < 0.5
        flicker = rng.normal(1, 0.02, self.num_frames)
        frames = np.empty((self.num_frames, self.size, self.size, 3), np.uint8)
        for index, background in enumerate(backdrop.pan(canvas, start, velocity, self.num_frames)):
            for number, person in enumerate(people):
                studio.pose(number, person.poses[index], person.place, person.heading)
            colours, cover = studio.picture(cameras[index], self.size)
            frames[index] = backdrop.exposed(rng, colours + background * (1 - cover), flicker[index], _NOISE)
        return frames[:, :, ::-1] if is_mirrored else frames


def _play(rng: np.random.Generator, action: _Action, length: int) -> np.ndarray:
    """The poses of an action that lasts `length` frames: all of it or, where it is longer, a part."""
    recording = motion.load(action.recording)
    first, last, core = (share * recording.seconds for share in (action.start, action.end, action.core))
    span = min(last - first, length / _FRAME_RATE * rng.uniform(1.2, 2.0))
    middle = first + span / 2 + rng.uniform() * (last - first - span)
    if length < _TYPICAL_FRAMES:  # a few frames of just anywhere would show no more than somebody standing
        middle = core + (middle - core) * (length / _TYPICAL_FRAMES) ** 2
    return recording.poses(np.linspace(middle - span / 2, middle + span / 2, length))


def _beside(rng: np.random.Generator, yaw: float) -> tuple[float, float]:
    """A place to the left or right of the actor, mostly farther away, as seen by a camera of this yaw."""
    sideways, away = rng.choice([-1, 1]) * rng.uniform(0.45, 0.8), rng.uniform(-0.2, 0.8)
    cos, sin = np.cos(np.radians(yaw)), np.sin(np.radians(yaw))
    return sideways * cos - away * sin, sideways * sin + away * cos
