"""JSON Schema of the configuration, for editors."""

from typing import Any, Final

import msgspec
from msgspec import inspect

from proxy.admin.options import AdminOptions
from proxy.config.describe import default_of
from proxy.config.model import SWITCHES, Config
from proxy.config.shapes import root, tables
from proxy.core.duration import AutoDuration, Duration
from proxy.core.size import Size
from proxy.edge.options import ServerOptions

_DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"
_REFERENCE: Final = r"\$\{"
"""What the environment will say cannot be checked by an editor."""

_ALONE: Final = {"type": "string", "pattern": r"^\$\{[^}]*\}$"}
"""A reference that is the whole value takes the type of its option."""

_PATTERNS: Final[dict[type, str]] = {
    AutoDuration: r"^(auto|0|[0-9]+(\.[0-9]+)?(ms|s|m|h))$",
    Duration: r"^(0|[0-9]+(\.[0-9]+)?(ms|s|m|h))$",
    Size: r"^(0|[0-9]+(\.[0-9]+)?(B|KiB|MiB|GiB))$",
}


_PORTS: Final = ((ServerOptions, "listen"), (AdminOptions, "listen"), (AdminOptions, "probes"))
"""A port alone may be a number, in a list too."""
_PORT: Final = {"type": "integer"}


def schema() -> dict[str, Any]:
    """The whole tree; every table stands under ``$defs``."""
    _, components = msgspec.json.schema_components(
        (Config,), schema_hook=_unit, ref_template="#/$defs/{name}"
    )
    shapes = {table.cls.__name__: table for _, table, _ in tables(root())}
    for name, component in components.items():
        _complete(component, shapes[name])
    top = components.pop("Config")
    del top["properties"]["upstreams"]["default"]  # without one there is nothing to forward to
    listed, *_ = top["properties"]["upstreams"]["anyOf"]
    listed["minItems"] = 1
    top["required"] = ["upstreams"]
    return {"$schema": _DRAFT, **top, "title": "sidecar-proxy", "$defs": components}


def _unit(kind: type) -> dict[str, Any]:
    return {"type": "string", "pattern": _PATTERNS[kind]}


def _complete(component: dict[str, Any], table: inspect.StructType) -> None:
    """What msgspec cannot say: defaults of our own types, ``false``, the environment."""
    properties = component["properties"]
    for field in table.fields:
        default = None if field.required else default_of(field)
        if isinstance(default, Duration | Size):
            properties[field.encode_name]["default"] = str(default)
    for name, declared in properties.items():
        described = {
            key: declared.pop(key) for key in ("description", "default") if key in declared
        }
        if described.get("default", "") is None:
            del described["default"]
        shape = _relaxed(declared)
        if (table.cls, name) in _PORTS:
            shape = _with_port(shape)
            shape = {"anyOf": [*shape.get("anyOf", [shape]), _PORT]}
        if name in SWITCHES.get(table.cls, ()):
            shape = {"anyOf": [*shape.get("anyOf", [shape]), {"const": False}]}
        properties[name] = {**described, **shape}


def _with_port(shape: dict[str, Any]) -> dict[str, Any]:
    """A list of addresses, any of which may be a port."""
    if "anyOf" in shape:
        return {"anyOf": [_with_port(kind) for kind in shape["anyOf"]]}
    return {**shape, "items": {"anyOf": [shape["items"], _PORT]}} if "items" in shape else shape


def _relaxed(shape: dict[str, Any]) -> dict[str, Any]:
    """Without null, which TOML cannot say, and with room for ``${NAME}``."""
    if "pattern" in shape:
        return {**shape, "pattern": f"{shape['pattern']}|{_REFERENCE}"}
    if "enum" in shape:
        return {"anyOf": [shape, {"type": "string", "pattern": _REFERENCE}]}
    if "items" in shape:
        return {"anyOf": [{**shape, "items": _relaxed(shape["items"])}, _ALONE]}
    if shape.get("type") in ("integer", "number", "boolean"):
        return {"anyOf": [shape, _ALONE]}
    if "anyOf" in shape:
        kinds = [_relaxed(kind) for kind in shape["anyOf"] if kind != {"type": "null"}]
        return kinds[0] if len(kinds) == 1 else {"anyOf": kinds}
    return shape
