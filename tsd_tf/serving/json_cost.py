"""What a JSON text will cost whoever parses it, found out while it arrives."""

import grpc
import numpy as np

from tsd_tf.serving.refusal import Refusal

_PART = 1 << 16  # bytes that are looked at in one go
_COMMA, _BACKSLASH, _QUOTE = b',\\"'


class JsonCost:
    """Counts what takes memory and time in a JSON text, whatever else is wrong with it.

    A parser makes objects for values: there is a comma or an opening bracket for each but the first. It makes others
    for each escape in a string. So a text of sixty million bytes, `[[],[],[],...]`, is twenty million lists of 56
    bytes, which nobody should have to build to see that they are not frames.

    Args:
        most_values: beyond which `add` refuses.

    Attributes:
        num_values: commas, opening brackets and backslashes so far; in strings, too.
        longest_string: its bytes, so far; right as long as `has_escapes` is False.
        has_escapes: whether there is a backslash.
    """

    def __init__(self, most_values: int) -> None:
        self._most_values = most_values
        self.num_values = self.longest_string = 0
        self.has_escapes = False
        self._num_quotes = self._since_quote = 0

    def add(self, content: bytes) -> None:
        """Looks at the next bytes of the text.

        Raises:
            Refusal: RESOURCE_EXHAUSTED, HTTP 413: it holds too many values.
        """
        for start in range(0, len(content), _PART):
            self._add(np.frombuffer(content, np.uint8, min(_PART, len(content) - start), start))

    def _add(self, part: np.ndarray) -> None:
        opening = (part | 0x20) == ord("{")  # and "["
        num_escapes = np.count_nonzero(part == _BACKSLASH)
        self.has_escapes |= num_escapes > 0
        self.num_values += num_escapes + np.count_nonzero(opening | (part == _COMMA))
        if self.num_values > self._most_values:
            message = f"the body holds more than the {self._most_values} values that this server accepts"
            raise Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, message, "too_many_values")
        quotes = np.flatnonzero(part == _QUOTE)
        if not len(quotes):
            self._since_quote += len(part)
            return
        lengths = np.diff(quotes, prepend=-1 - self._since_quote) - 1
        strings = lengths[1 - self._num_quotes % 2 :: 2]  # what ends with every second quote
        self.longest_string = max(self.longest_string, int(strings.max(initial=0)))
        self._num_quotes += len(quotes)
        self._since_quote = len(part) - 1 - int(quotes[-1])
