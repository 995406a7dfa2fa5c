"""Texts from outside, fit to be shown."""


def printable(text: str, longest: int | None = None) -> str:
    """A text in one line of valid Unicode: what cannot be shown as it is becomes an escape.

    Names of files may hold any bytes, and servers may answer with anything, commands to a terminal among them.

    Args:
        text: any; bytes of a file's name that are not UTF-8 as `os.fsdecode` gives them.
        longest: characters; what is longer is cut, with "..." after it; None for no limit.
    """
    shown = text if longest is None or len(text) <= longest else f"{text[:longest]}..."
    if shown.isprintable():
        return shown
    return "".join(map(_escaped, shown))


def _escaped(character: str) -> str:
    if character.isprintable():
        return character
    if "\udc80" <= character <= "\udcff":  # a byte that is not UTF-8
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()
