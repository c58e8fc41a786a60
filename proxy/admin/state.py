"""``/api/state``, made from the samples that everything with a state gives."""

from collections.abc import Iterable
from typing import Any

from proxy.core.keys_shown import is_hidden
from proxy.core.redaction import HIDDEN
from proxy.core.samples import Labels, Sample, Value


class Row:
    """The samples of one thing."""

    def __init__(self, labels: Labels) -> None:
        self.labels = labels
        self.samples: list[Sample] = []
        self._seen: dict[str, list[Sample]] = {}

    def add(self, sample: Sample) -> bool:
        """Take a sample. False where there is such a one already: it is of another thing."""
        known = self._seen.setdefault(sample.name, [])
        if any(each.labels == sample.labels for each in known):
            return False
        known.append(sample)
        self.samples.append(sample)
        return True

    def get(self, name: str) -> Any:
        """A value; None where it is not known."""
        found = self._seen.get(name)
        return found[0].value if found else None

    def rounded(self, name: str, digits: int = 3, factor: float = 1) -> float | None:
        """Likewise, a number for people."""
        value = self.get(name)
        return None if value is None else round(value * factor, digits)

    def by(self, name: str, label: str) -> dict[str, Value]:
        """The values of one name by one of their labels."""
        return {each.labels[label]: each.value for each in self._seen.get(name, ())}


def rows(samples: Iterable[Sample], start: str, *by: str) -> list[Row]:
    """The things whose samples have names that begin with ``start``, told apart by these labels.

    A sample without one of the labels is of something else, and is left out.
    """
    found: list[Row] = []
    needed = set(by)
    for sample in samples:
        if not (sample.name.startswith(start) and sample.labels.keys() >= needed):
            continue
        labels = {label: sample.labels[label] for label in by}
        if not (found and found[-1].labels == labels and found[-1].add(sample)):
            found.append(Row(labels))
            found[-1].add(sample)
    return found


def state(samples: Iterable[Sample]) -> dict[str, Any]:
    """The parts, each of which has an address of its own."""
    told = list(samples)
    [*_, streams] = [Row({}), *rows(told, "resumable_")]
    return {
        "upstreams": _upstreams(told),
        "streams": {
            "resumable": streams.get("resumable_streams") or 0,
            "waiting": streams.get("resumable_streams_waiting") or 0,
        },
        "concurrency": {
            row.labels["upstream"]: _concurrency(row)
            for row in rows(told, "concurrency_", "upstream")
        },
        "hedges": [
            {
                **row.labels,
                "sent": row.get("hedge_copies_sent"),
                "won": row.get("hedge_copies_won"),
                "over_budget": row.get("hedge_copies_over_budget"),
                "delay_ms": row.rounded("hedge_delay_seconds", factor=1000),
            }
            for row in rows(told, "hedge_", "route", "upstream")
        ],
        "rate_limits": {
            row.labels["route"]: {
                "refused": row.get("rate_limit_refused"),
                "waited": row.get("rate_limit_waited"),
                "keys": row.get("rate_limit_keys"),
                "left": row.by("rate_limit_left", "key"),
            }
            for row in rows(told, "rate_limit_", "route")
        },
        "cache": _cache(told),
        "coalesce": {
            "kept_bytes": next((each.value for each in told if each.name == "coalesced_bytes"), 0),
            "routes": {
                row.labels["route"]: {
                    "calls": row.get("coalesce_calls"),
                    "joined": row.get("coalesce_joined"),
                    "in_flight": row.get("coalesce_in_flight"),
                    "alone": row.by("coalesce_bypassed", "reason"),
                }
                for row in rows(told, "coalesce_", "route")
            },
        },
        "budgets": [
            {
                **row.labels,
                "requests": row.get("retry_budget_requests"),
                "spent": row.get("retry_budget_spent"),
                "available": row.rounded("retry_budget_available", 1),
                "refused": row.get("retry_budget_refused"),
                "percent": row.get("retry_budget_percent"),
                "min_per_second": row.rounded("retry_budget_min_per_second"),
            }
            for row in rows(told, "retry_budget_", "upstream")
        ],
        "breakers": [
            {
                "route": row.labels["route"],
                "endpoint": row.labels["endpoint"],
                "state": row.get("breaker_state"),
                "ejections": row.get("breaker_ejections"),
                "for_s": row.rounded("breaker_open_seconds"),
            }
            for row in rows(told, "breaker_", "route", "upstream", "endpoint")
        ],
        "reload": _reload(told),
        "credentials": [
            _credentials(row) for row in rows(told, "credentials_", "upstream", "credentials")
        ],
        "tunnels": [
            {
                **row.labels,
                **({"request_id": HIDDEN} if is_hidden("request_id") else {}),
                "age_s": row.rounded("tunnel_age_seconds"),
                "idle_s": row.rounded("tunnel_idle_seconds"),
                "bytes_in": row.get("tunnel_bytes_in"),
                "bytes_out": row.get("tunnel_bytes_out"),
            }
            for row in rows(
                told, "tunnel_", "route", "endpoint", "client", "request_id", "protocol"
            )
        ],
        "workers": [
            {
                "worker": int(row.labels["worker"]),
                "pid": int(row.labels["pid"]),
                "state": row.get("worker_state"),
                "age_s": row.rounded("worker_age_seconds"),
                "connections": row.get("worker_connections"),
                "requests": row.get("worker_requests"),
            }
            for row in rows(told, "worker_", "worker", "pid")
        ],
        "counters": {
            row.labels["route"]: {_count(sample): sample.value for sample in row.samples}
            for row in rows(told, "route_", "route")
        },
    }


def _reload(told: list[Sample]) -> dict[str, Any]:
    """How often the configuration was read again, and what became of it the last time."""
    [*_, row] = [Row({}), *rows(told, "reload_")]
    return {
        "reloads": row.get("reload_done") or 0,
        "refused": row.get("reload_refused") or 0,
        "last": row.get("reload_last"),
        "at": row.get("reload_at"),
        "problems": list(row.by("reload_problem", "number").values()),
    }


def _upstreams(told: list[Sample]) -> dict[str, list[dict[str, Any]]]:
    served = {
        tuple(row.labels.values()): row for row in rows(told, "served_", "upstream", "endpoint")
    }
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows(told, "endpoint_", "upstream", "endpoint"):
        ends = served.get(tuple(row.labels.values())) or Row(row.labels)
        # Where there is nothing to choose nobody counts attempts: the ends of exchanges do.
        outcomes = row.by("endpoint_attempts", "outcome") or ends.by("served_attempts", "outcome")
        shown = {
            "endpoint": row.labels["endpoint"],
            "weight": row.get("endpoint_weight"),
            "backup": bool(row.get("endpoint_backup")),
            "healthy": bool(row.get("endpoint_healthy")),
            "withdrawn": bool(row.get("endpoint_withdrawn")),
            "paused_s": row.rounded("endpoint_paused_seconds"),
            "quota": _quota(row),
            "in_flight": row.get("endpoint_in_flight"),
            "connections": row.get("endpoint_connections"),
            "outcomes": outcomes,
            "latency_ms": ends.rounded("served_latency_seconds", factor=1000),
        }
        found.setdefault(row.labels["upstream"], []).append(shown)
    return found


def _quota(row: Row) -> dict[str, Any] | None:
    """What a server says of its own limits, where somebody heeds that."""
    if row.get("endpoint_quota_paths") is None:
        return None
    return {
        "wait_s": row.rounded("endpoint_quota_path_wait_seconds"),
        "paths": row.get("endpoint_quota_paths"),
        "credentials": row.get("endpoint_quota_credentials"),
        "longest": {
            "wait_s": row.rounded("endpoint_quota_wait_seconds"),
            "remaining": row.get("endpoint_quota_remaining"),
            "pace_s": row.rounded("endpoint_quota_spacing_seconds"),
        },
    }


def _credentials(row: Row) -> dict[str, Any]:
    """Credentials of the proxy's own, by name."""
    return {
        **row.labels,
        "usable": bool(row.get("credentials_usable")),
        "requests": row.get("credentials_requests"),
        "exceeded": row.get("credentials_exceeded"),
        "refused": row.get("credentials_refused"),
        "blocked_s": row.rounded("credentials_blocked_seconds"),
        "left": row.get("credentials_left"),
        "expires_s": row.rounded("credentials_expires_seconds"),
        "renewals": row.get("credentials_renewals"),
        "failures": row.get("credentials_failures"),
        "failure": row.get("credentials_failure"),
    }


def _concurrency(row: Row) -> dict[str, Any]:
    longest = row.by("concurrency_key_longest_seconds", "key")
    return {
        "limit": row.get("concurrency_limit"),
        "in_flight": row.get("concurrency_in_flight"),
        "waiting": row.get("concurrency_waiting"),
        "waiting_by_key": {
            key: {"waiting": number, "longest_s": round(float(longest[key]), 3)}
            for key, number in row.by("concurrency_key_waiting", "key").items()
        },
        "finished_per_s": row.rounded("concurrency_finished_per_second", 1),
        "refused": row.get("concurrency_refused"),
        "evicted": row.get("concurrency_evicted"),
        "timed_out": row.get("concurrency_timed_out"),
        "lent": row.get("concurrency_lent"),
    }


def _count(sample: Sample) -> str:
    """``requests``; ``status 404``, ``error dns_error``, ``retry reset``."""
    name = sample.name.removeprefix("route_")
    value = sample.labels.get(name)
    return name if value is None else f"{name} {value}"


def _cache(told: list[Sample]) -> dict[str, Any]:
    """The store, and what became of the requests of each route."""
    [*_, store] = [Row({}), *rows(told, "store_")]
    return {
        "store": {
            name: store.get(f"store_{name}") or 0 for name in ("entries", "bytes", "evicted")
        },
        "routes": {
            row.labels["route"]: {
                name: row.get(f"cache_{name}")
                for name in (
                    *("hits", "stale", "revalidated", "misses", "collapsed", "stored"),
                    *("hit_bytes", "hit_age_seconds", "refreshing"),
                )
            }
            for row in rows(told, "cache_", "route")
        },
    }
