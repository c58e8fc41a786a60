"""What proxy/ uses of aiohttp beyond its documented API, found in the code itself.

``python -m tools.aiohttp_names`` writes the list into decision 0036, from where
``tests/tools/test_aiohttp_names.py`` takes it. A name that is new in the code is on the list as
soon as the list is made anew; a name that aiohttp has lost is missing from it then.

Three things count. An import from a module that is not documented. In a subclass, a private name
of the aiohttp class above, and any name where that class itself is not documented. On another
object, the same; ``RECEIVERS`` says what such objects are called.
"""

import ast
import inspect
import sys
import textwrap
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Final, NamedTuple

from aiohttp import ClientRequest, web
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import BaseConnector, Connection
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler

PAGE: Final = Path("docs/decisions/0036-aiohttp-what-the-hot-path-goes-round.md")
START, END = "<!-- generated: names -->\n", "<!-- end of generated -->\n"
DOCUMENTED: Final = frozenset({"aiohttp", "aiohttp.web", "aiohttp.abc"})
"""Modules whose names the reference of aiohttp describes."""
UNDOCUMENTED: Final = (ClientRequest, Connection, RequestHandler, ResponseHandler)
"""Classes of which any name counts: the reference does not describe them."""
RECEIVERS: Final[dict[str, type]] = {
    "connector": BaseConnector,
    "content": StreamReader,
    "handler": RequestHandler,
    "former": ResponseHandler,
    "made": Connection,
    "payload": StreamReader,
    "protocol": ResponseHandler,
    "reader": StreamReader,
    "request": web.Request,
    "server": web.Server,
    "template": ClientRequest,
    "uploader": RequestHandler,
}
"""What an object of aiohttp is called where it is not ``self``."""


class Use(NamedTuple):
    """A name of aiohttp, and a file that uses it."""

    owner: str
    """The module that is imported from, or the class."""
    name: str
    file: str


def used(root: Path = Path("proxy")) -> list[Use]:
    """Everything that is used, each once for each file."""
    found = set[Use]()
    for path in sorted(root.rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        found.update(Use(*use, str(path)) for use in _uses(path, tree))
    return sorted(found)


OF_REDIS: Final = frozenset(
    {"pool._in_use_connections", "pool._available_connections", "connection._close"}
)
"""Private names that are no concern of aiohttp's: of redis-py's pool, see
``store/redis_connections``."""


def unknown(root: Path = Path("proxy")) -> list[str]:
    """Private names on other objects that may be of aiohttp, of which nobody knows the class.

    Of ours they are only if proxy/ declares the name and no class of ``RECEIVERS`` has it too.
    """
    theirs = frozenset[str]().union(*map(names_of, RECEIVERS.values()))
    trees = {path: ast.parse(path.read_text("utf-8")) for path in sorted(root.rglob("*.py"))}
    ours = {name for tree in trees.values() for name in _declared(tree)} | {
        "_asdict",
        "_replace",
        "_exit",
    }
    return [
        f"{path}:{node.lineno}: {ast.unparse(node)}"
        for path, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and _private(node.attr)
        and not _on_self(node)
        and (node.attr not in ours or node.attr in theirs)
        and _received(node) is None
        and ast.unparse(node) not in OF_REDIS
    ]


@cache
def names_of(owner: type) -> frozenset[str]:
    """All names that aiohttp gives a class: methods, slots, and what its methods assign to self."""
    names = set[str]()
    for each in owner.__mro__:
        if each.__module__.partition(".")[0] == "aiohttp":
            names |= vars(each).keys()
            tree = ast.parse(textwrap.dedent(inspect.getsource(each)))
            names |= {
                node.attr
                for node in ast.walk(tree)
                if isinstance(node, ast.Attribute)
                and isinstance(node.ctx, ast.Store)
                and _is_name(node.value, "self")
            }
    return frozenset(name for name in names if not name.startswith("__"))


def _uses(path: Path, tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (module := node.module or "").startswith(
            "aiohttp."
        ):
            if module not in DOCUMENTED:
                yield from ((module, alias.name) for alias in node.names)
        elif isinstance(node, ast.ClassDef):
            yield from _uses_of_class(path, node)
        elif isinstance(node, ast.Attribute) and not _on_self(node):
            owner = _received(node)
            if owner is not None and (_private(node.attr) or owner in UNDOCUMENTED):
                yield owner.__name__, node.attr
        elif isinstance(node, ast.Call) and _is_name(node.func, "getattr"):
            receiver, name = node.args[0], node.args[1]
            if isinstance(receiver, ast.Name) and isinstance(name, ast.Constant):
                owner = RECEIVERS.get(receiver.id)
                if owner is not None and name.value in names_of(owner):
                    yield owner.__name__, str(name.value)


def _uses_of_class(path: Path, node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    """What a class uses or overrides of the class of aiohttp that it is made from."""
    if not node.bases:
        return
    made = getattr(import_module(".".join(path.with_suffix("").parts)), node.name, None)
    above = _above(made)
    if above is None:
        return
    names = names_of(above)
    if above not in UNDOCUMENTED:
        names = frozenset(filter(_private, names))
    for each in ast.walk(node):
        if isinstance(each, ast.Attribute) and _on_self(each) and each.attr in names:
            yield above.__name__, each.attr
        elif isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef) and each.name in names:
            yield above.__name__, each.name


def _above(made: Any) -> type | None:
    """The class of aiohttp that a class of ours is made from."""
    mro = made.__mro__ if isinstance(made, type) else ()
    return next((each for each in mro if each.__module__.partition(".")[0] == "aiohttp"), None)


def _received(node: ast.Attribute) -> type | None:
    """The class of aiohttp whose object this name is read from."""
    value = node.value
    called = value.id if isinstance(value, ast.Name) else getattr(value, "attr", "")
    owner = RECEIVERS.get(called.lstrip("_"))
    return owner if owner is not None and node.attr in names_of(owner) else None


def _declared(tree: ast.Module) -> Iterator[str]:
    """Private names that the classes of a file declare."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _private(node.name):
            yield node.name
        elif isinstance(node, ast.Assign) and any(
            _is_name(each, "__slots__") for each in node.targets
        ):
            yield from (
                str(each.value) for each in ast.walk(node.value) if isinstance(each, ast.Constant)
            )
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and _on_self(node):
            yield node.attr


def _on_self(node: ast.Attribute) -> bool:
    value = node.value
    inherited = isinstance(value, ast.Call) and _is_name(value.func, "super")
    return inherited or _is_name(value, "self") or _is_name(value, "cls")


def _is_name(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def table(uses: list[Use]) -> str:
    """The list as the page has it."""
    files = defaultdict[tuple[str, str], list[str]](list)
    for use in uses:
        files[use.owner, use.name].append(use.file.removeprefix("proxy/").removesuffix(".py"))
    rows = [
        f"| `{owner}` | `{name}` | {', '.join(f'`{file}`' for file in where)} |\n"
        for (owner, name), where in files.items()
    ]
    return "| of | name | in |\n|---|---|---|\n" + "".join(rows)


def listed(page: str) -> set[tuple[str, str]]:
    """Owners and names on the page."""
    part = page.partition(START)[2].partition(END)[0]
    rows = [line.split("`") for line in part.splitlines() if line.startswith("| `")]
    return {(row[1], row[3]) for row in rows}


def main() -> int:
    """Write the list into the page."""
    page = PAGE.read_text("utf-8")
    before, _, rest = page.partition(START)
    PAGE.write_text(before + START + table(used()) + END + rest.partition(END)[2], "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
