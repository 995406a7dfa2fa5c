"""The picture page: what it shows is what the client made, and it needs nothing but itself."""

import base64
import html.parser
import re

import cv2
import numpy as np
import pytest

from tsd_tf.reporting import recognition_page
from tsd_tf.reporting.shown_video import ShownVideo
from tsd_tf.video.distilled_clip import DistilledClip


class _Elements(html.parser.HTMLParser):
    """Every element of a page as (tag, attributes), and whether all of them are closed."""

    _VOID = ("meta", "img", "image", "rect")

    def __init__(self, page):
        super().__init__()
        self.found, self.open = [], []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))
        if tag not in self._VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert tag in self._VOID or self.open.pop() == tag

    def of(self, tag, **attributes):
        found = [those for name, those in self.found if name == tag]
        return [those for those in found if attributes.items() <= those.items()]


def _clip(start=0, size=32, num_frames=12, num_distilled=2):
    draw = np.random.default_rng(start)
    levels = np.linspace(40, 220, num_frames).astype(np.uint8)
    frames = np.broadcast_to(levels[:, None, None, None], (num_frames, size, size, 3)).copy()
    matrix = draw.dirichlet(np.full(num_frames, 0.3), num_distilled).T.astype(np.float32)
    distilled = np.einsum("thwc,ts->shwc", frames, matrix).round().astype(np.uint8)
    return DistilledClip(start, frames, matrix, distilled)


def _video(**fields):
    return ShownVideo(**{"name": "a.mp4", "answer": "jump", "score": 0.874, "clips": [_clip()], **fields})


def _decoded(address):
    contents = base64.b64decode(address.removeprefix("data:image/jpeg;base64,"))
    return cv2.imdecode(np.frombuffer(contents, np.uint8), cv2.IMREAD_COLOR)


def test_the_pictures_are_the_clip_s_frames_and_the_distilled_ones():
    video = _video(clips=[_clip(), _clip(12)])
    elements = _Elements(recognition_page.page("Title", [], [video]))
    strips = [_decoded(image["href"]) for image in elements.of("image")]
    assert [strip.shape for strip in strips] == [(32, 6 * 32, 3)] * 4  # 12 frames in two strips, of two clips
    for clip, shown in zip(video.clips, (strips[:2], strips[2:]), strict=True):
        np.testing.assert_allclose(np.concatenate(shown, axis=1)[16, 16::32, 0], clip.frames[:, 16, 16, 0], atol=3)
    distilled = [_decoded(image["src"]) for image in elements.of("img")]
    assert len(distilled) == 4
    expected = [frame[16, 16, 0] for clip in video.clips for frame in clip.distilled_frames]
    np.testing.assert_allclose([picture[16, 16, 0] for picture in distilled], expected, atol=3)


def test_the_heat_map_is_p():
    video = _video()
    text = recognition_page.section(video)
    matrix = video.clips[0].transformation_matrix
    cells = re.findall(
        r'class="cell".*?fill-opacity="([\d.]+)"><title>(\d+)% of distilled frame (\d+) is frame (\d+)', text
    )
    shown = np.zeros_like(matrix)
    for opacity, percent, column, frame in cells:
        shown[int(frame) - 1, int(column) - 1] = float(opacity)
        assert int(percent) == pytest.approx(100 * matrix[int(frame) - 1, int(column) - 1], abs=0.51)
    np.testing.assert_allclose(shown, np.sqrt(matrix), atol=0.023)
    for column in range(2):
        strongest = matrix[:, column].argmax()
        assert f"{column + 1}: {matrix[strongest, column]:.0%} of frame {strongest + 1}<" in text


@pytest.mark.parametrize(
    ("event", "marked", "said"),
    [
        (range(4, 9), {(0, 4, 2), (1, 0, 3)}, ["in frames 5 to 6", "in frames 7 to 9", "in none", "in none"]),
        (range(11, 13), {(1, 5, 1), (2, 0, 1)}, ["in none", "in frames 12 to 12", "in frames 13 to 13", "in none"]),
    ],
)
def test_the_event_is_marked_where_it_is(event, marked, said):
    text = recognition_page.section(_video(clips=[_clip(), _clip(12)], event=event))
    strips = text.split("<svg ")[1:]
    found = {
        (number, int(int(left) // 64), round(int(width) / 64))
        for number, strip in enumerate(strips)
        for left, width in re.findall(r'class="event" x="(\d+)" y="\d+" width="(\d+)"', strip)
    }
    assert found == marked
    for strip, words in zip(strips, said, strict=True):
        assert f"the action is {words}" in strip


def test_right_wrong_and_unknown_are_words():
    for truth, words, title in (
        ("jump", '<span class="right">✓ Right:</span> “jump”, 87% sure.', "<h2>jump</h2>"),
        ("kick", '<span class="wrong">✗ Wrong:</span> the answer is “jump”, 87% sure.', "<h2>kick</h2>"),
        (None, "Answer: “jump”, 87% sure.", "<h2>a.mp4</h2>"),
    ):
        text = recognition_page.section(_video(truth=truth, note="300 bytes were sent."))
        assert words in text
        assert title in text
        assert "a.mp4. 300 bytes were sent." in text


def test_facts_stand_above_and_right_answers_are_counted():
    videos = [_video(truth="jump"), _video(truth="kick"), _video()]
    text = recognition_page.page("Title", [("61.3%", "of 300 videos")], videos)
    assert "<li><strong>61.3%</strong> of 300 videos</li>" in text
    assert "<li><strong>1 of 2</strong> of the videos below are recognised</li>" in text
    assert "of this colour" not in text
    assert "are recognised" not in recognition_page.page("Title", [], [_video()])
    assert "of this colour" in recognition_page.page("Title", [], [_video(event=range(2))])


def test_a_page_needs_nothing_else_and_every_picture_has_words():
    page = recognition_page.page("Title", [], [_video(truth="jump", event=range(3, 5))])
    elements = _Elements(page)
    assert page.startswith("<!DOCTYPE html>")
    assert not elements.of("script") + elements.of("link")
    assert not re.search(r"https?:|url\(|@import", page)
    addresses = [value for _, those in elements.found for name, value in those.items() if name in ("src", "href")]
    assert len(addresses) == 4
    assert all(address.startswith("data:image/jpeg;base64,") for address in addresses)
    assert all("frame" in image["alt"] for image in elements.of("img"))
    assert all("Frames" in picture["aria-label"] for picture in elements.of("svg", role="img"))
    assert "prefers-color-scheme: dark" in page
    assert elements.of("meta", name="viewport")
    assert page == recognition_page.page("Title", [], [_video(truth="jump", event=range(3, 5))])


def test_names_are_shown_as_they_are():
    name = b'<b>&"\xff.mp4'.decode("utf-8", "surrogateescape")
    text = recognition_page.page("a <title>", [], [_video(name=name, answer="<i>")])
    assert "&lt;b&gt;&amp;&quot;?.mp4" in text
    assert "“&lt;i&gt;”" in text
    assert "<title>a &lt;title&gt;</title>" in text
    text.encode()


def test_of_a_long_video_the_first_clips_are_shown():
    clips = [_clip(12 * index) for index in range(6)]
    text = recognition_page.section(_video(clips=clips))
    assert "Clip 4: frames 37 to 48" in text
    assert "Clip 5" not in text
    assert "and 2 more clips" in text
    assert "more clips" not in recognition_page.section(_video(clips=clips[:4]))


def test_large_frames_are_made_smaller():
    elements = _Elements(recognition_page.page("Title", [], [_video(clips=[_clip(size=448, num_frames=4)])]))
    assert _decoded(elements.of("image")[0]["href"]).shape == (96, 4 * 96, 3)
    assert _decoded(elements.of("img")[0]["src"]).shape == (224, 224, 3)
