"""The options of ``[hedge]``."""

from collections.abc import Iterator
from typing import Annotated, Final

from msgspec import Meta

from proxy.core.duration import Duration
from proxy.core.findings import WARNING, Finding, Written, percent_doubt
from proxy.core.options import Table

PATTERN: Final = r"^(p[1-9][0-9](\.[0-9])?|[0-9]+(\.[0-9]+)?(ms|s|m|h))$"


class HedgeOptions(Table, frozen=True, kw_only=True):
    """Send a copy of a request that takes unusually long; the first good answer counts."""

    delay: Annotated[
        str,
        Meta(
            pattern=PATTERN,
            description="How long to wait before a copy is sent: a quantile of the times of the "
            'route, "p95", or a time, "500ms".',
        ),
    ] = "p95"
    max: Annotated[
        int,
        Meta(
            ge=1,
            le=5,
            description="Most copies of a request at a time; they are sent one after the other. A "
            "copy that fails may be replaced once.",
        ),
    ] = 1
    budget_percent: Annotated[
        float, Meta(ge=0, le=100, description="Most copies, in percent of the requests.")
    ] = 5.0


def problems(written: Written) -> Iterator[Finding]:
    """What is wrong with `[hedge]`."""
    options: HedgeOptions | None = written.options.hedge
    at = written.at("hedge")
    if options is None or at is None:
        return
    route, rules = written.options, written.repeat_rules
    key = rules.idempotency_header
    if not options.budget_percent:
        yield Finding(at, f"{WARNING} no copy is ever sent with budget_percent = 0")
    elif not set(route.methods or rules.methods) & set(rules.methods):
        may = f", but for what carries {key}" if key else ""
        taken = ", ".join(route.methods) or "any method"
        if not (key and written.at("retry", "idempotency_header")):
            message = f"nothing of {taken} may be repeated{may}: see [retry] methods"
            yield Finding(at, f"{WARNING} {message}")
    share = written.at("hedge", "budget_percent")
    if share and (doubt := percent_doubt(options.budget_percent)):
        yield Finding(share, f"{WARNING} {doubt}")
    first_byte = route.timeouts.first_byte
    if options.delay[:1].isdigit() and 0 < first_byte <= _seconds(options.delay):
        message = f"first_byte ({first_byte}) ends before delay"
        yield Finding((*at, "delay"), f"{WARNING} {message}")


def _seconds(text: str) -> float:
    try:
        return Duration.parse(text)
    except ValueError:
        return 0.0
