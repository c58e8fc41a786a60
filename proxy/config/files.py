"""The files that a configuration names."""

from collections.abc import Iterator

import msgspec

from proxy.core.findings import Place


def named_files(options: object) -> Iterator[str]:
    """Those of all options in these: ``file``, and whatever ends with ``_file``."""
    return (file for _, file in placed_files(options))


def placed_files(options: object, place: Place = ()) -> Iterator[tuple[Place, str]]:
    """The same, each with the place of its option; ``place``: that of these options."""
    if isinstance(options, msgspec.Struct):
        for name in options.__struct_fields__:
            value = getattr(options, name)
            if isinstance(value, str):
                if value and (name == "file" or name.endswith("_file")):
                    yield (*place, name), value
            else:
                yield from placed_files(value, (*place, name))
    elif isinstance(options, tuple | list):
        for index, each in enumerate(options):
            yield from placed_files(each, (*place, index))
