"""What a bad day wants, as tables of a configuration: each feature alone, and all of them."""

from typing import Final

FEATURES: Final[dict[str, tuple[str, str]]] = {
    # Tables at the top, and under [[upstreams]]. Retries are armed by default.
    "circuit_breaker": ("[circuit_breaker]", ""),
    "concurrency, queue": ("", "[upstreams.concurrency]\n[upstreams.queue]"),
    "concurrency, adaptive": ("", '[upstreams.concurrency]\nadaptive = "gradient"'),
    "hedge": ('[hedge]\ndelay = "10s"', ""),  # a copy would find nobody who answers it
    "deadline": ("[deadline]", ""),
    "timeouts total": ('[timeouts]\ntotal = "30s"', ""),
    "rate_limit": ("[rate_limit]\naverage = 1000000\nburst = 1000000", ""),
    "peak_ewma": ("", '[upstreams.load_balance]\npolicy = "peak_ewma"'),
    "metrics": ('[admin]\nlisten = "127.0.0.1:0"', ""),
}
TOGETHER: Final = (
    "\n".join(tables for tables, _ in FEATURES.values()),
    '[upstreams.concurrency]\nadaptive = "gradient"\n[upstreams.queue]\n'
    '[upstreams.load_balance]\npolicy = "peak_ewma"',
)
"""All of it; the limit is the one that moves."""
