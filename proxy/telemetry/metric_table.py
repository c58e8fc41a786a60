"""Which metric a sample becomes: the one list of what ``/metrics`` tells.

Everything with a state gives samples (``core/samples``). Each name of a sample is in ``METRICS``,
``TIMES``, ``STATES`` or ``LEFT_OUT``; a test fails for one that is not. docs/metrics.md is made
from these tables.

A metric has the labels that its row names, no others. Samples that then have the same labels, such
as those of two routes with one path, become one as ``fold`` says: they are added up, or the largest
counts, the smallest or the mean. The samples of one thing that several workers have become one as
``workers`` says, which is the same where the row names nothing else. A row says here how that is;
``run/workers/totals`` has it from here. Names of routes, upstreams and servers come from the configuration, and all else that
a label may be is a short list, so clients cannot make series.
"""

from collections.abc import Callable, Iterable
from enum import Enum
from typing import Final, NamedTuple, TypeAlias

PREFIX: Final = "sidecar_proxy_"

Fold: TypeAlias = Callable[[Iterable[float]], float]
"""Makes one of several values."""


def mean(values: Iterable[float]) -> float:
    """Of moving means: each has seen about as much as the others."""
    each = list(values)
    return sum(each) / len(each)


class Type(Enum):
    """What Prometheus calls it."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Metric(NamedTuple):
    """A row."""

    sample: str
    """The name of the samples."""
    name: str
    """That of the metric, without ``PREFIX`` and without the ``_total`` of a counter."""
    type: Type
    labels: tuple[str, ...]
    help: str
    fold: Fold = sum
    source: tuple[str, ...] = ()
    """How the samples call the labels, where that is something else."""
    workers: Fold | None = None
    """How those of several workers become one, where that is not ``fold``."""
    prefix: str = PREFIX

    @property
    def full_name(self) -> str:
        """As it is asked for."""
        total = "_total" if self.type is Type.COUNTER else ""
        return f"{self.prefix}{self.name}{total}"

    @property
    def unit(self) -> str:
        """Seconds, bytes or nothing, as the name says."""
        last = self.name.rpartition("_")[2]
        return last if last in ("seconds", "bytes") else ""


def _counter(sample: str, labels: str, text: str, name: str = "", source: str = "") -> Metric:
    return Metric(
        sample,
        name or sample,
        Type.COUNTER,
        tuple(labels.split()),
        text,
        source=tuple(source.split()),
    )


def _gauge(
    sample: str,
    labels: str,
    text: str,
    name: str = "",
    fold: Fold = sum,
    *,
    workers: Fold | None = None,
) -> Metric:
    names = tuple(labels.split())
    return Metric(sample, name or sample, Type.GAUGE, names, text, fold, workers=workers)


def _process(sample: str, kind: Type, text: str) -> Metric:
    fold = min if "start" in sample else sum
    return Metric(sample, sample, kind, (), text, fold, prefix="")


_SERVER: Final = "upstream endpoint"
_CREDENTIALS: Final = "upstream credentials"

# fmt: off
SECTIONS: Final[dict[str, tuple[Metric, ...]]] = {
    "Requests and clients": (
        _counter("requests", "route upstream method status", "Requests that have ended, by the status that the client got; 499: it left first."),
        _gauge("requests_in_flight", "", "Requests that have come in and not ended."),
        _counter("request_bytes", "route upstream", "Bytes of request bodies, counted when a request ends."),
        _counter("response_bytes", "route upstream", "Bytes of reply bodies, counted when a request ends."),
        _counter("route_error", "route error", "Requests that failed, by the token of docs/errors.md.", "errors", "route error"),
        _counter("refusals", "route upstream reason", "Requests that the proxy itself refused, by reason: queue_full, rate_limited, no_endpoint_available and so on."),
        _counter("timeouts", "route upstream clock", "Requests that a timeout ended, by the option that limits it."),
        _gauge("client_connections", "", "Connections of clients that are open."),
        _gauge("client_connections_limit", "", "Most of them at a time: max_connections, or less where the process may not open as many files."),
        _counter("client_connections_opened", "", "Connections of clients that were let in."),
        _counter("client_connections_evicted", "", "Idle connections of clients that were closed at the limit, to make room for others."),
        _gauge("tunnels_open", "", "Upgraded connections that are open."),
        _counter("route_tunnels", "route", "Upgraded connections that have ended.", "tunnels"),
        _gauge("draining", "", "1 while the proxy stops and takes its leave of clients.", fold=max),
    ),
    "Attempts, retries and copies": (
        _counter("route_attempts", "route", "Requests that were sent upstream, by route; those too that a cache sends in the background.", "route_attempts"),
        _counter("served_attempts", "upstream endpoint outcome", "The same by server and by what came of it: the status that the server sent, whatever the client was told; a failure as [retry] on calls it, or \"failed\"; \"broken\" (its reply broke off on its way to the client; one that the proxy still held is \"reset\" or \"timeout\"); \"hedged\" (a copy overtook it); or \"abandoned\" (its client has left, or it was ended for another reason). With wait_for_connect, only those since the last wait.", "attempts"),
        _counter("route_retry", "route reason", "Requests that were sent again, by what the attempt before came to.", "retries", "route retry"),
        _gauge("served_latency_seconds", _SERVER, "From a request to the head of its reply, a moving mean.", "endpoint_latency_seconds", mean),
        _gauge("retry_budget_requests", "upstream", "Requests in the window of the retry budget."),
        _gauge("retry_budget_spent", "upstream", "Retries in the window of the retry budget."),
        _gauge("retry_budget_available", "upstream", "Retries that the budget would allow now; where routes have budgets of their own at an upstream, that with the fewest.", fold=min, workers=sum),
        _counter("retry_budget_refused", "upstream", "Retries that the budget did not allow."),
        _counter("retry_last_chances", "route upstream", "Attempts that were ended for another one because their clients were about to leave."),
        _gauge("client_patience_seconds", "route upstream", "How long clients wait that leave without an answer, where that is known.", fold=min),
        _counter("hedge_copies_sent", "route upstream", "Copies of slow requests that were sent."),
        _counter("hedge_copies_won", "route upstream", "Copies whose reply came first."),
        _counter("hedge_copies_over_budget", "route upstream", "Copies that the budget did not allow."),
        _gauge("hedge_delay_seconds", "route upstream", "After which a copy is sent.", fold=max, workers=mean),
        _counter("coalesce_calls", "route", "Calls that several requests may share."),
        _counter("coalesce_joined", "route", "Requests that were given the reply to an equal one.", "coalesced_requests"),
        _gauge("coalesce_in_flight", "route", "Calls under way that requests may join, and those that they stand beside."),
        _counter("coalesce_bypassed", "route reason", "Requests that were sent alone, by reason."),
        _gauge("coalesced_bytes", "", "Bytes of replies that are kept for those who share them."),
    ),
    "Servers": (
        _gauge("endpoint_healthy", _SERVER, "1 while its health checks say that the server is well, 0 while not.", fold=min),
        _gauge("endpoint_in_flight", _SERVER, "Attempts at the server whose reply has not ended."),
        _gauge("endpoint_connections", _SERVER, "Open connections to the server, in use or idle."),
        _counter("endpoint_connections_opened", _SERVER, "Connections to the server that were made."),
        _gauge("endpoint_weight", _SERVER, "Its share of requests, relative to the others.", fold=max),
        _gauge("endpoint_backup", _SERVER, "1 for a server that is asked only if no other can be, or all others are at their limit.", fold=max),
        _gauge("endpoint_withdrawn", _SERVER, "1 while an operator keeps requests from it.", fold=max),
        _gauge("endpoint_paused_seconds", _SERVER, "For which the server is left alone: by its Retry-After where the upstream has several servers, [circuit_breaker] or [health_check], or by its quota. Else a Retry-After keeps back only those it was said to.", fold=max),
        _gauge("endpoint_quota_wait_seconds", _SERVER, "Longest time until a quota that the server has told of allows a request again.", fold=max),
        _gauge("endpoint_quota_path_wait_seconds", _SERVER, "The same of quotas of single paths.", fold=max),
        _gauge("endpoint_quota_paths", _SERVER, "Paths with a quota of their own.", fold=max),
        _gauge("endpoint_quota_credentials", _SERVER, "Credentials with a quota of their own.", fold=max),
        _gauge("endpoint_quota_remaining", _SERVER, "Requests that are left in the quota with the longest wait.", fold=min),
        _gauge("endpoint_quota_spacing_seconds", _SERVER, "Between two requests, so that what is left lasts.", fold=max),
        _counter("breaker_ejections", "route upstream endpoint", "Times that a server was taken out."),
        _gauge("breaker_open_seconds", "route upstream endpoint", "Until a trial may be sent to it.", fold=max),
    ),
    "Credentials of upstreams": (
        _gauge("credentials_usable", _CREDENTIALS, "1 while these credentials can be shown, by their name in the configuration.", fold=min),
        _counter("credentials_requests", _CREDENTIALS, "Requests that were sent with them."),
        _counter("credentials_exceeded", _CREDENTIALS, "Requests that their quota did not allow."),
        _counter("credentials_refused", _CREDENTIALS, "Replies that said that they are not valid."),
        _gauge("credentials_blocked_seconds", _CREDENTIALS, "Until they are used again.", fold=max),
        _gauge("credentials_left", _CREDENTIALS, "Requests that their quota still allows.", fold=min),
        _gauge("credentials_expires_seconds", _CREDENTIALS, "Until they expire.", fold=min),
        _counter("credentials_renewals", _CREDENTIALS, "Tokens that were got."),
        _counter("credentials_failures", _CREDENTIALS, "Tokens that could not be got."),
    ),
    "Limits and queues": (
        _gauge("concurrency_limit", "upstream", "Permits: requests that may be at the upstream at a time."),
        _gauge("concurrency_in_flight", "upstream", "Permits that are taken."),
        _gauge("concurrency_waiting", "upstream", "Requests that wait for a permit."),
        _gauge("concurrency_lent", "upstream", "Permits on loan: their requests wait for nobody but their clients."),
        _gauge("concurrency_finished_per_second", "upstream", "Requests that end in a second."),
        _counter("concurrency_refused", "upstream", "Requests that found the queue full."),
        _counter("concurrency_evicted", "upstream", "Requests that had to give their place in the queue to another client's."),
        _counter("concurrency_timed_out", "upstream", "Requests that waited for as long as they may."),
        _gauge("connect_waiting", "upstream", "Requests that wait for a server that can be connected to (wait_for_connect)."),
        _counter("connect_woken", "upstream", "Those whose wait ended because a server came back."),
        _counter("connect_refused", "upstream", "Those that found no place to wait."),
        _counter("connect_timed_out", "upstream", "Those that waited for as long as they may."),
        _counter("rate_limit_refused", "route", "Requests over the limit of their client."),
        _counter("rate_limit_waited", "route", "Requests that waited for their client's limit."),
        _gauge("rate_limit_keys", "route", "Clients whose limit is being counted; with workers, in the one that has most.", workers=max),
        _gauge("resumable_streams", "", "Streams of events that can be resumed."),
        _gauge("resumable_streams_waiting", "", "Those of them whose client is away."),
    ),
    "Stored replies": (
        _counter("cache_hits", "route", "Requests that were answered by a stored reply, without asking anybody."),
        _counter("cache_stale", "route", "The same by one that was no longer fresh."),
        _counter("cache_revalidated", "route", "Requests answered by a stored reply after the upstream had said that it is still good."),
        _counter("cache_misses", "route", "Requests that nothing stored could answer, those with only-if-cached included."),
        _counter("cache_collapsed", "route", "Requests that were given the reply to another one's miss."),
        _counter("cache_stored", "route", "Replies that were stored."),
        _counter("cache_hit_bytes", "route", "Bytes of bodies that came from the store: none for a 304 or a HEAD, and of a range only that."),
        _counter("cache_hit_age_seconds", "route", "Ages (the Age field) of the replies that hits gave, added up: divided by the hits, the mean age. Stale replies are not in it."),
        _counter(
            "cache_lease_waits", "route", "Times that a call waited for one of another process."
        ),
        _gauge("cache_refreshing", "route", "Stored replies that are being asked for anew."),
        _gauge("store_entries", "", "Replies in the store; of a file that workers share, those in the file."),
        _gauge("store_bytes", "", "Bytes that the store holds, likewise."),
        _counter("store_failures", "", "Times that the store could not be read or written."),
        _counter("store_timeouts", "", "Times that it took longer than it may."),
        _gauge("store_circuit_open", "", "1 while the store has failed and is not asked.", fold=max),
        _counter("store_evicted", "", "Replies that had to make room for others."),
    ),
    "Workers": (
        _gauge("workers_wanted", "", "Processes that shall serve: workers, where it is more than 1."),
        _gauge("workers_serving", "", "Those that do."),
        _counter("workers_restarted", "", "Processes that took the place of one that had died."),
        _gauge("worker_connections", "worker", "Connections of clients that a worker has, by its number."),
        _counter("worker_requests", "worker", "Requests that a worker has served; from 0 again for one that takes its place."),
        _gauge("worker_age_seconds", "worker", "Since a worker was started.", fold=min),
    ),
    "Reloads": (
        _counter("reload_done", "", "Configurations that were taken over without a restart.", "config_reloads"),
        _counter("reload_refused", "", "Configurations that were refused: the one before stays.", "config_reloads_refused"),
        _gauge("reload_succeeded", "", "1 if the last reload was taken over, 0 if it was refused.", "config_last_reload_successful", min),
    ),
    "Traces": (
        _counter("trace_spans_sent", "", "Spans that the collector has taken."),
        _counter("trace_spans_dropped", "", "Spans that were lost: the collector was away or has rejected them, or 8 MiB of them waited already."),
        _gauge("trace_waiting_bytes", "", "Bytes of spans that wait to be sent."),
    ),
    "The process": (
        _process("process_cpu_seconds", Type.COUNTER, "Processor time, of the user and of the system."),
        _process("process_resident_memory_bytes", Type.GAUGE, "Memory in use."),
        _process("process_virtual_memory_bytes", Type.GAUGE, "Address space."),
        _process("process_start_time_seconds", Type.GAUGE, "When the process began, since 1970."),
        _process("process_open_fds", Type.GAUGE, "File descriptors that are open."),
        _process("process_max_fds", Type.GAUGE, "File descriptors that may be open."),
    ),
}
"""Counters and gauges, as docs/metrics.md lists them."""
METRICS: Final = tuple(row for rows in SECTIONS.values() for row in rows)

STATES: Final = {
    Metric("breaker_state", "breaker_state", Type.GAUGE, ("route", "upstream", "endpoint", "state"), "1 for the state that the breaker of a server is in, 0 for the others."): ("closed", "open", "half-open"),
}
"""Words: a series for each that there is."""

TIMES: Final = (
    Metric("time_total", "request_duration_seconds", Type.HISTOGRAM, ("route", "upstream"), "From the first byte of a request to the last byte of its reply; not of tunnels."),
    Metric("time_queue", "request_queue_seconds", Type.HISTOGRAM, ("route", "upstream"), "Waiting to be let through: for a permit, a token, a quota, a connection within limit, another request's answer."),
    Metric("time_retries", "request_retries_seconds", Type.HISTOGRAM, ("route", "upstream"), "Attempts that failed before the last one, and the waits between; only of requests that were sent again, or that waited for that."),
    Metric("time_connect", "request_connect_seconds", Type.HISTOGRAM, ("route", "upstream"), "Getting a connection for the last attempt; 0 from the pool."),
    Metric("time_first_byte", "request_first_byte_seconds", Type.HISTOGRAM, ("route", "upstream"), "From there to the head of the reply: what the upstream takes to answer. Where none came, until the request ended."),
    Metric("time_body", "request_body_seconds", Type.HISTOGRAM, ("route", "upstream"), "The rest of the reply; not of tunnels."),
    Metric("time_client", "request_client_seconds", Type.HISTOGRAM, ("route", "upstream"), "The client was waited for, to send its request or to take its reply; not of tunnels."),
)
"""Histograms: ``SAMPLE_bucket``, ``_sum`` and ``_example``, see ``telemetry/histograms``."""

LEFT_OUT: Final = {
    "concurrency_key_waiting": "a label for each client; /api/concurrency shows the ten with the most",
    "concurrency_key_longest_seconds": "likewise",
    "retry_budget_percent": "an option; /api/budgets shows it",
    "retry_budget_min_per_second": "likewise",
    "rate_limit_left": "a label for each client; /api/rate_limits shows the ten with the least",
    "tunnel_age_seconds": "a label for each tunnel; /api/tunnels shows them",
    "tunnel_idle_seconds": "likewise",
    "tunnel_bytes_in": "likewise",
    "tunnel_bytes_out": "likewise",
    "reload_last": "a sentence; config_last_reload_successful says whether it went well",
    "reload_at": "a date, for people",
    "reload_problem": "a sentence",
    "worker_state": "workers_serving counts those that serve",
    "credentials_failure": "a sentence; credentials_failures counts them",
    "endpoint_attempts": "served_attempts counts the same, also where there is one server only",
    "route_requests": "requests counts the same with more labels",
    "route_status": "likewise",
    "route_hedged": "hedge_copies_won counts the same",
}
"""Samples that are no metric, and why."""
# fmt: on

WORKERS: Final[dict[str, Fold]] = {
    **{row.sample: row.workers or row.fold for row in METRICS if row.type is Type.GAUGE},
    # of those that are no metric
    "concurrency_key_waiting": sum,
    "concurrency_key_longest_seconds": max,
    "rate_limit_left": sum,
    "retry_budget_percent": max,
    "retry_budget_min_per_second": sum,
    "tunnel_age_seconds": max,
    "tunnel_idle_seconds": max,
}
"""How the numbers of several workers become one. What is divided among them is added up. Of what
each has, or sees a part of that others may see as well, the one is taken that an operator has to
see: the longest time, the smallest remainder, the worst state."""
