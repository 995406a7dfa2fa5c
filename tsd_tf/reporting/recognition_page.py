"""One HTML page of recognised videos: clips, P over time, distilled frames and answers."""

import base64
import html
import math
from collections.abc import Sequence

import cv2
import numpy as np

from tsd_tf.reporting.shown_video import ShownVideo
from tsd_tf.video import picture_files, pictures
from tsd_tf.video.distilled_clip import DistilledClip

_FRAMES_A_STRIP = 10  # what a phone shows side by side; wider screens have several strips in a line
_LARGEST_FRAME, _LARGEST_DISTILLED = 96, 224  # pixels
_JPEG_QUALITY = 88
# In units of a strip's picture, in which a frame is 64 wide.
_FRAME, _ROW, _MARGIN, _TEXT = 64, 18, 26, 20

STYLE = """
.tsd { color-scheme: light dark; --back: #ffffff; --card: #f3f4f6; --text: #1a1a1f; --soft: #565866; --event: #c2410c;
  --heat: #1d4ed8; --right: #166534; --wrong: #b91c1c; background: var(--back); color: var(--text);
  font: 16px/1.5 system-ui, sans-serif; }
@media (prefers-color-scheme: dark) { .tsd { --back: #131318; --card: #1e1e26; --text: #ececf1; --soft: #a9abb8;
  --event: #fb923c; --heat: #93c5fd; --right: #4ade80; --wrong: #fca5a5; } }
body.tsd { margin: 0 auto; max-width: 68rem; padding: 1rem; }
.tsd h1 { font-size: 1.6rem; line-height: 1.25; margin: 0.5rem 0 1rem; }
.tsd .facts { display: grid; gap: 0.75rem; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); list-style: none;
  margin: 1rem 0; padding: 0; }
.tsd .facts li, .tsd article { background: var(--card); border-radius: 0.5rem; padding: 0.75rem 1rem; }
.tsd .facts strong { display: block; font-size: 1.5rem; line-height: 1.3; }
.tsd article { margin: 1rem 0; }
.tsd h2 { font-size: 1.15rem; margin: 0; overflow-wrap: anywhere; }
.tsd h3 { font-size: 1rem; font-weight: 600; margin: 0.75rem 0 0.25rem; }
.tsd p { margin: 0.25rem 0; }
.tsd .soft, .tsd figcaption { color: var(--soft); font-size: 0.875rem; overflow-wrap: anywhere; }
.tsd .right { color: var(--right); font-weight: 600; }
.tsd .wrong { color: var(--wrong); font-weight: 600; }
.tsd .key { border: 3px solid var(--event); border-radius: 2px; padding: 0 0.3em; white-space: nowrap; }
.tsd .strips { display: grid; gap: 0.5rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); }
.tsd svg { display: block; height: auto; width: 100%; }
.tsd svg text { fill: var(--soft); font: 20px system-ui, sans-serif; }
.tsd .cell { fill: var(--heat); }
.tsd .empty { fill: var(--back); }
.tsd .event { fill: none; stroke: var(--event); stroke-width: 5; }
.tsd .distilled { display: grid; gap: 0.5rem; grid-template-columns: repeat(5, minmax(0, 8rem)); }
.tsd figure { margin: 0; }
.tsd figcaption { line-height: 1.25; }
.tsd img { border-radius: 0.25rem; display: block; height: auto; width: 100%; }
"""


def page(title: str, facts: Sequence[tuple[str, str]], videos: Sequence[ShownVideo]) -> str:
    """A whole page: it needs no network, no script and no other file, and follows the reader's choice of light or dark.

    Args:
        title: of the page.
        facts: what stands above the videos: figures, and what each of them is, in words.
        videos: what is shown, in this order.

    Returns:
        The HTML; the same for the same arguments.
    """
    known = [video.is_right for video in videos if video.is_right is not None]
    if known:
        facts = [*facts, (f"{sum(known)} of {len(known)}", "of the videos below are recognised")]
    listed = "\n".join(f"<li><strong>{_text(value)}</strong> {_text(words)}</li>" for value, words in facts)
    reading = (
        "For each clip the page shows its frames in time. Under each frame stands how much of each distilled frame, a "
        "row each, comes from it: nothing where there is no colour, all of it where the colour is full. That is P, the "
        "matrix that the client predicts. Only the distilled frames, Y = XP, were sent and recognised."
    )
    if any(video.event is not None for video in videos):
        reading += ' The action is in the frames in a <span class="key">frame</span> of this colour; neither client'
        reading += " nor server was told."
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{_text(title)}</title>
<style>{STYLE}</style>
</head>
<body class="tsd">
<main>
<h1>{_text(title)}</h1>
<ul class="facts">
{listed}
</ul>
<p class="soft">{reading}</p>
{"".join(section(video, f"{number}. ") for number, video in enumerate(videos, 1))}</main>
</body>
</html>
"""


def section(video: ShownVideo, prefix: str = "", most_clips: int = 4) -> str:
    """One video as a part of a page, which an element of class "tsd" around it and STYLE make readable.

    Args:
        video: what is shown.
        prefix: stands before its title.
        most_clips: of a longer video the first of its clips are shown.
    """
    verdict = f"“{_text(video.answer)}”, {video.score:.0%} sure"
    if video.is_right is None:
        verdict = f"Answer: {verdict}."
    elif video.is_right:
        verdict = f'<span class="right">✓ Right:</span> {verdict}.'
    else:
        verdict = f'<span class="wrong">✗ Wrong:</span> the answer is {verdict}.'
    shown = "".join(
        _clip(clip, f"Clip {number}: " if len(video.clips) > 1 else "", video.event)
        for number, clip in enumerate(video.clips[:most_clips], 1)
    )
    if hidden := len(video.clips) - most_clips:
        shown += f'<p class="soft">and {hidden} more clips</p>\n' if hidden > 0 else ""
    note = f" {_text(video.note)}" if video.note else ""
    return f"""<article>
<h2>{_text(prefix + (video.truth or video.name))}</h2>
<p>{verdict}</p>
<p class="soft">{_text(video.name)}.{note}</p>
{shown}</article>
"""


def _clip(clip: DistilledClip, prefix: str, event: range | None) -> str:
    matrix = np.asarray(clip.transformation_matrix)
    num_frames, num_distilled = matrix.shape
    strips = math.ceil(num_frames / _FRAMES_A_STRIP)
    edges = [round(num_frames * strip / strips) for strip in range(strips + 1)]
    drawn = "".join(_strip(clip, matrix, range(*ends), event) for ends in zip(edges, edges[1:], strict=False))
    distilled = "".join(_distilled(clip, matrix, column) for column in range(num_distilled))
    return f"""<h3>{prefix}frames {clip.start + 1} to {clip.start + num_frames}</h3>
<div class="strips">
{drawn}</div>
<h3>What was sent</h3>
<div class="distilled">
{distilled}</div>
"""


def _strip(clip: DistilledClip, matrix: np.ndarray, shown: range, event: range | None) -> str:
    """A line of frames, and P below it, as one SVG."""
    width, height = _MARGIN + _FRAME * len(shown), _TEXT + _FRAME + _ROW * matrix.shape[1] + 8
    picture = pictures.rows_of_frames([np.stack([_fitted(clip.frames[i], _LARGEST_FRAME) for i in shown])])
    first, last = clip.start + shown.start + 1, clip.start + shown.stop
    of_event = [i for i in shown if event is not None and clip.start + i in event]
    said = f"Frames {first} to {last}"
    if event is not None:
        numbers = [clip.start + i + 1 for i in (of_event[0], of_event[-1])] if of_event else []
        said += f"; the action is in frames {numbers[0]} to {numbers[1]}" if numbers else "; the action is in none"
    said += "; below them how much of each is in each distilled frame, as a heat map"
    parts = [
        f'<svg role="img" aria-label="{said}" viewBox="0 0 {width} {height}">',
        f'<image x="{_MARGIN}" y="{_TEXT}" width="{_FRAME * len(shown)}" height="{_FRAME}" '
        f'preserveAspectRatio="none" href="{_data(picture)}"/>',
    ]
    for place, index in enumerate(shown):
        left = _MARGIN + _FRAME * place
        if place % 5 == 0 or index == shown[-1]:
            number = clip.start + index + 1
            parts.append(f'<text x="{left + _FRAME / 2:g}" y="{_TEXT - 5}" text-anchor="middle">{number}</text>')
        for column, value in enumerate(matrix[index]):
            top = _TEXT + _FRAME + 4 + _ROW * column
            box = f'x="{left + 1}" y="{top}" width="{_FRAME - 2}" height="{_ROW - 2}"'
            opacity = math.sqrt(max(float(value), 0.0))  # so that 5 % can be told from nothing
            parts.append(f'<rect class="empty" {box}/>')
            if value >= 0.0005:
                parts.append(
                    f'<rect class="cell" {box} fill-opacity="{opacity:.2f}"><title>{value:.0%} of distilled frame '
                    f"{column + 1} is frame {clip.start + index + 1}</title></rect>"
                )
    for column in range(matrix.shape[1]):
        below = _TEXT + _FRAME + 4 + _ROW * (column + 1) - 4
        parts.append(f'<text x="{_MARGIN - 8}" y="{below}" text-anchor="end">{column + 1}</text>')
    if of_event:
        left = _MARGIN + _FRAME * (of_event[0] - shown.start)
        parts.append(
            f'<rect class="event" x="{left + 2}" y="{_TEXT}" width="{_FRAME * len(of_event) - 4}" height="{_FRAME}"/>'
        )
    return "\n".join([*parts, "</svg>\n"])


def _distilled(clip: DistilledClip, matrix: np.ndarray, column: int) -> str:
    strongest = int(matrix[:, column].argmax())
    source = f"{matrix[strongest, column]:.0%} of frame {clip.start + strongest + 1}"
    picture = _fitted(clip.distilled_frames[column], _LARGEST_DISTILLED)
    said = f"Distilled frame {column + 1}: a mixture with {source}, and less of any other"
    return (
        f'<figure><img alt="{said}" src="{_data(picture)}"><figcaption>{column + 1}: {source}</figcaption></figure>\n'
    )


def _fitted(frame: np.ndarray, largest: int) -> np.ndarray:
    """The frame, made smaller if its height or width is more than `largest` pixels."""
    scale = largest / max(frame.shape[:2])
    return frame if scale >= 1 else cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def _data(picture: np.ndarray) -> str:
    contents = picture_files.encode(picture, "jpeg", _JPEG_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(contents).decode()}"


def _text(text: str) -> str:
    """As HTML shows it; names of files may hold bytes that are no UTF-8."""
    return html.escape(text.encode("utf-8", "replace").decode())
