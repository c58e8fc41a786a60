"""The options of ``[hedge]``."""

from collections.abc import Iterator
from typing import Annotated, Final

from msgspec import Meta

from proxy.core.findings import Finding, Written, percent_doubts
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
            "copy that fails may be replaced once. Each counts against [retry] attempts, unless "
            "that is 1.",
        ),
    ] = 1
    budget_percent: Annotated[
        float, Meta(ge=0, le=100, description="Most copies, in percent of the requests.")
    ] = 5.0


def problems(written: Written) -> Iterator[Finding]:
    """What is wrong with `[hedge]`."""
    return percent_doubts(written, "hedge", "budget_percent")
