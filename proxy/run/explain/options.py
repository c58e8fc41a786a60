"""The options that apply to a request, and where each was written: the end of ``explain``."""

from collections.abc import Iterator

import msgspec

from proxy.config.model import DEFAULTED, Config
from proxy.config.origins import Told
from proxy.config.problems import spell
from proxy.core.cache_options import StoreOptions
from proxy.core.findings import Place
from proxy.run.scopes import upstreams_of


def told_options(config: Config, chosen: int, origins: Told) -> Iterator[str]:
    """Every option that applies, with where it comes from."""
    route = config.routes[chosen]
    yield ""
    yield "Options: what applies to this request, and where it was written"
    yield from _values(route, ("routes", chosen), (), origins)
    used = {upstream.name for upstream in upstreams_of(route, config.upstreams)}
    for number, upstream in enumerate(config.upstreams):
        if upstream.name in used:
            yield f"  upstream {upstream.name}"
            yield from _values(upstream, ("upstreams", number), (), origins)
    whole: dict[str, msgspec.Struct | None] = {"server": config.server, "tracing": config.tracing}
    if route.cache is not None:
        whole["store"] = config.store or StoreOptions()
    for name, table in whole.items():
        if table is not None:
            yield f"  {name}"
            yield from _values(table, (name,), (name,), origins)


def _values(options: msgspec.Struct, own: Place, top: Place, origins: Told) -> Iterator[str]:
    for name in options.__struct_fields__:
        value = getattr(options, name)
        if value is None and name in DEFAULTED:
            value = DEFAULTED[name]()
        place, above = (*own, name), (*top, name)
        if isinstance(value, msgspec.Struct):
            yield from _values(value, place, above, origins)
            continue
        if name == "credentials" and isinstance(value, tuple):  # a table each
            for number, each in enumerate(value):
                yield from _values(each, (*place, number), (*above, number), origins)
            continue
        where, written = origins.of(place, above)
        if (name in ("name", "servers") and len(own) == 2) or (
            where in ("", "default") and (value is None or (len(own) == 2 and own[0] == "routes"))
        ):
            continue  # shown above, or not asked for
        shown = origins.shown(place, written, value) or "off"
        label = spell((*own[2:], name))
        yield f"    {f'{label} = {shown}':44} {where}".rstrip()
