"""The files that a configuration names."""

from collections.abc import Iterator

import msgspec


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
