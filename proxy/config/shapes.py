"""The declarations of all tables as msgspec knows them."""

from collections.abc import Iterator

from msgspec import inspect

from proxy.config.model import Config


def root() -> inspect.StructType:
    """The shape of a whole file."""
    found = inspect.type_info(Config)
    assert isinstance(found, inspect.StructType)
    return found


def tables(
    kind: inspect.Type, path: tuple[str, ...] = (), *, listed: bool = False
) -> Iterator[tuple[tuple[str, ...], inspect.StructType, bool]]:
    """All tables from ``kind`` on: where each stands, its shape, whether it is one of a list."""
    if isinstance(kind, inspect.StructType):
        yield path, kind, listed
        for field in kind.fields:
            yield from tables(field.type, (*path, field.encode_name))
    elif isinstance(kind, inspect.Metadata):
        yield from tables(kind.type, path, listed=listed)
    elif isinstance(kind, inspect.VarTupleType):
        yield from tables(kind.item_type, path, listed=True)
    elif isinstance(kind, inspect.UnionType):
        for each in kind.types:
            yield from tables(each, path, listed=listed)


def plain(kind: inspect.Type) -> inspect.Type:
    """Without description and ``None``, which TOML cannot say."""
    if isinstance(kind, inspect.Metadata):
        return plain(kind.type)
    if isinstance(kind, inspect.UnionType):
        rest = tuple(each for each in kind.types if not isinstance(each, inspect.NoneType))
        return plain(rest[0]) if len(rest) == 1 else inspect.UnionType(rest)
    return kind
