"""The files that a configuration names."""

import os
from collections.abc import Iterable, Iterator
from typing import TypeAlias

import msgspec

Mark: TypeAlias = tuple[str, int, int, int, int] | None


def named_files(options: object) -> Iterator[str]:
    """Those of all options in these: ``file``, and whatever ends with ``_file``."""
    if isinstance(options, msgspec.Struct):
        for name in options.__struct_fields__:
            value = getattr(options, name)
            if isinstance(value, str):
                if value and (name == "file" or name.endswith("_file")):
                    yield value
            else:
                yield from named_files(value)
    elif isinstance(options, tuple | list):
        for each in options:
            yield from named_files(each)


def marks(paths: Iterable[str]) -> tuple[Mark, ...]:
    """What changes when one of them is written anew, or when a link is turned (Kubernetes)."""
    return tuple(map(_mark, paths))


def _mark(path: str) -> Mark:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return path, found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size
