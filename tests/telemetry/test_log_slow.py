"""What is slow is in the access log, whatever the sample."""

import os
import random

import pytest

from proxy.core.duration import Duration
from proxy.core.exchange import Exchange
from proxy.telemetry.log import AccessLog
from proxy.telemetry.options import LogOptions


@pytest.mark.parametrize(("slow", "lines"), [(0.0, 0), (0.4, 1), (0.5, 1), (0.6, 0)])
async def test_what_is_slow_is_written_even_if_the_sample_leaves_it_out(
    slow: float, lines: int
) -> None:
    """The exchange took half a second."""
    exchange = Exchange("GET", b"/", (), b"/", started_at=100.0)
    exchange.status = 200
    reader, writer = os.pipe()
    log = AccessLog(LogOptions(sample=0.0, slow=Duration(slow)), writer, rng=random.Random(1))
    log.record(exchange, 100.5)
    log.close()
    os.close(writer)
    with os.fdopen(reader) as written:
        assert len(written.readlines()) == lines
