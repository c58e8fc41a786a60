"""Plain words for operators and clients: what Python calls things never shows."""

import re
from typing import Final

_BYTES: Final = re.compile(r"""\bb(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")""")
_OBJECT: Final = re.compile(r" ?(?:\b\w++:)?<[\w.]++(?: object)? at 0x[0-9a-f]++>")
"""Linear: peers write some of these sentences. Each blank or word is tried once, from its start."""
_CLASS: Final = re.compile(r"^(?:[A-Z]\w*(?:Error|Exception|Timeout|Disconnected): )+")


def plain(sentence: str) -> str:
    """The same in one line, without what only Python's readers understand.

    ``b'x'`` is ``"x"``, an object's repr is left out, the name of an exception in front too.
    """
    text = _CLASS.sub("", " ".join(sentence.split()))
    text = _BYTES.sub(lambda found: f'"{found[1] if found[2] is None else found[2]}"', text)
    return _OBJECT.sub("", text).strip()


def in_seconds(seconds: float) -> str:
    """A time in a sentence: ``0.25 s``, ``12.346 s``, ``3600 s``; never with an exponent."""
    if seconds >= 1000:
        return f"{seconds:.0f} s"
    text = f"{seconds:.3f}" if seconds >= 1 else f"{float(f'{seconds:.3g}'):.9f}"
    return f"{text.rstrip('0').rstrip('.')} s"
