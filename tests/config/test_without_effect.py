"""What the file writes and what never does anything beside the rest of it has one warning."""

from pathlib import Path

import pytest

from tests.support.checking import said

API = '[[upstreams]]\nname = "api"\nservers = ["http://127.0.0.1:9000"]\n'
ROUTE = '[[routes]]\nupstream = "api"\n'
BOTH = API + ROUTE
OTHER = '[[routes]]\nupstream = "b"\npath = "/b"\n'
REST = '[[routes]]\nupstream = "api"\npath = "/rest"\n'


@pytest.mark.parametrize(
    ("text", "place", "why"),
    [
        ("[log]\nslow = '2s'\n" + API, "log.slow", "sample below 1"),
        ("[log]\nslow = '2s'\naccess = false\n" + API, "log.slow", "access = false"),
        ("[store]\ntimeout = '1s'\n[cache]\n" + API, "store.timeout", "in memory"),
        (
            "[rate_limit]\naverage = 1\ncount_hits = false\n" + API,
            "rate_limit.count_hits",
            "[cache]",
        ),
        ("[store]\nnamespace = 'a'\n[cache]\n" + API, "store.namespace", "in memory"),
        (
            "[store]\nnamespace = 'a'\nurl = 'sqlite:/tmp/a.db'\n[cache]\n" + API,
            "store.namespace",
            "Redis",
        ),
        (
            "[retry]\nmax_retry_after = '5s'\nrespect_retry_after = false\n" + API,
            "retry.max_retry_after",
            "respect_retry_after = false",
        ),
        (
            "[retry]\nlast_chance = true\non = ['503']\n" + API,
            "retry.last_chance",
            'expected "reset" or "timeout" in on',
        ),
        (
            "[retry]\nlast_chance = true\n[timeouts]\nper_try = '2s'\n" + API,
            "retry.last_chance",
            "per_try",
        ),
        ("[hedge]\n[retry]\nlast_chance = true\n" + API, "retry.last_chance", "[hedge]"),
        (
            "[hedge]\nmax = 5\n[retry]\nattempts = 3\n" + API,
            "hedge.max",
            "[retry] attempts (3) leaves 2 copies at most: expected max = 2, or attempts = 6",
        ),
        ("[hedge]\nmax = 3\n" + API, "hedge.max", "attempts (3) leaves 2 copies"),
        ("[hedge]\nmax = 2\n[retry]\nattempts = 2\n" + API, "hedge.max", "one copy at most"),
        ("[rate_limit]\nperiod = '1m'\n" + API, "rate_limit.period", "expected average"),
        (
            "[cache]\nmax_size = '8MiB'\nmax_object = '4MiB'\n[server]\nworkers = 4\n" + API,
            "cache.max_object",
            "each of the 4 workers has 2MiB of max_size",
        ),
        (  # its head takes room as well
            "[cache]\nmax_size = '8MiB'\nmax_object = '4MiB'\n[server]\nworkers = 2\n" + API,
            "cache.max_object",
            "each of the 2 workers has 4MiB of max_size: nothing so long is stored",
        ),
        (
            "[cache]\nmax_size = '16MiB'\n[server]\nworkers = 4\n" + API,
            "cache.max_size",
            "each of the 4 workers has 4MiB of max_size",
        ),
        ("[rate_limit]\nkey = 'path'\n" + API, "rate_limit.key", "no request is counted"),
        ("[retry]\nmax_body = '512MiB'\n" + API, "retry.max_body", 'did you mean "32MiB"?'),
        (
            "[concurrency]\n[timeouts]\nqueue = '1m'\ntotal = '30s'\n" + API,
            "timeouts.queue",
            "longer than total (30s)",
        ),
        ("[timeouts]\nidle = '1m'\ntotal = '30s'\n" + API, "timeouts.idle", "total (30s)"),
        (BOTH + "timeouts.queue = '1m'", "routes[0].timeouts.queue", "nothing ever waits"),
        (
            "[rate_limit]\naverage = 1\nmax_wait = '1m'\n[timeouts]\ntotal = '30s'\n" + API,
            "rate_limit.max_wait",
            "total (30s) ends the wait",
        ),
        (
            "[stream]\nheartbeat = '10m'\n[timeouts]\nidle = '1m'\n" + API,
            "stream.heartbeat",
            "idle (1m)",
        ),
        (
            "[stream]\nheartbeat = '1m'\n[timeouts]\ntotal = '1m'\n" + API,
            "stream.heartbeat",
            "total (1m)",
        ),
        (
            BOTH + "methods = ['GET']\ncache.post = true",
            "routes[0].cache.post",
            "takes no POST, only GET",
        ),
        (
            "[load_balance]\nmin_share = 10\npolicy = 'round_robin'\n" + API,
            "load_balance.min_share",
            'policy is "round_robin"',
        ),
        (
            "[load_balance]\nejection_time = '5s'\n[circuit_breaker]\n" + API,
            "load_balance.ejection_time",
            "[circuit_breaker]",
        ),
        (
            "[concurrency]\nadaptive = 'gradient'\nmax_requests = 4\n" + API,
            "concurrency.adaptive",
            "min below max_requests (4)",
        ),
        (
            "[concurrency]\nadaptive = 'gradient'\nmax_requests = 2\n" + API,
            "concurrency.adaptive",
            "min below max_requests (2)",
        ),
        (
            "[concurrency]\nadaptive = 'gradient'\nmax_requests = 1\n" + API,
            "concurrency.adaptive",
            "max_requests above 1",
        ),
        (
            "[concurrency]\nadaptive = 'gradient'\nmax_requests = 8\nmin = 8\n" + API,
            "concurrency.adaptive",
            "min below max_requests (8)",
        ),
        (
            "[concurrency]\n[queue]\nkey = 'path'\norder = 'fifo'\n" + API,
            "queue.key",
            'order is "fifo"',
        ),
        (
            "[stream]\ncommit = 'headers'\ncommit_wait = '1s'\n" + API,
            "stream.commit_wait",
            "holds nothing",
        ),
        ("[deadline]\nforward = ''\nreserve = '1s'\n" + API, "deadline.reserve", "forward"),
        (
            "[timeouts]\ntotal = '1s'\n[deadline]\nforward = ''\nreserve = '2s'\n" + API,
            "deadline.reserve",
            "no upstream is told",
        ),
        ("[stream]\ncommit = 'body:40MiB'\n" + API, "stream.commit", '"body:32MiB"'),
        (
            "[cache]\nmax_size = '1GiB'\n[store]\nurl = 'redis://127.0.0.1:6379/0'\n" + API,
            "cache.max_size",
            "maxmemory",
        ),
        (
            "[cache]\nmax_size = '1GiB'\n[store]\nurl = 'unix:///run/redis.sock'\n" + API,
            "cache.max_size",
            "maxmemory",
        ),
        (
            "[timeouts]\nper_try = '5s'\n[retry]\nonly_if_failed_within = '2s'\n" + API,
            "timeouts.per_try",
            "only_if_failed_within",
        ),
        ("[coalesce]\n" + BOTH + "methods = ['HEAD']", "coalesce", "nothing of HEAD is shared"),
        (
            "[stream]\nresume = '5s'\n" + BOTH + "methods = ['HEAD', 'QUERY']",
            "stream.resume",
            "nothing of HEAD, QUERY is resumed",
        ),
    ],
)
def test_what_does_nothing_has_one_warning(tmp_path: Path, text: str, place: str, why: str) -> None:
    [line] = said(tmp_path, text)
    assert line.startswith(f"{place}: warning: ")
    assert why in line


@pytest.mark.parametrize(
    "text",
    [
        "[log]\nslow = '2s'\nsample = 0.1\n" + API,
        "[log]\nslow = '2s'\n[tracing]\nsample = 0.1\n" + API,
        "[log]\nslow = '0'\n" + API,
        "[store]\ntimeout = '1s'\nurl = 'sqlite:/tmp/a.db'\n[cache]\n" + API,
        "[retry]\nmax_retry_after = '5s'\n" + API,
        "[retry]\nrespect_retry_after = false\n" + API,
        "[retry]\nlast_chance = true\n" + API,
        "[retry]\nlast_chance = false\non = ['503']\n" + API,
        "[retry]\non = ['503']\n" + API,
        "[retry]\nmax_body = '32MiB'\n" + API,
        "[retry]\nmax_body = '0'\n" + API,
        # the upstream goes on without the one who asked
        "[cache]\n[timeouts]\nidle = '1m'\ntotal = '30s'\n" + API,
        "[cache]\nmax_size = '8MiB'\nmax_object = '3MiB'\n[server]\nworkers = 2\n" + API,
        "[cache]\nmax_size = '64MiB'\n[server]\nworkers = 4\n" + API,
        "[cache]\nmax_size = '8MiB'\nmax_object = '4MiB'\n[server]\nworkers = 'auto'\n" + API,
        "[cache]\nmax_size = '8MiB'\nmax_object = '4MiB'\n[server]\nworkers = 4\n"
        "[store]\nurl = 'sqlite:/tmp/a.db'\n" + API,
        "[cache]\nmax_object = '4MiB'\n[server]\nworkers = 4\n"
        + BOTH
        + "cache.max_size = '8MiB'\n"
        + REST
        + "cache.max_size = '1GiB'",
        "[coalesce]\n[timeouts]\nidle = '1m'\ntotal = '30s'\n" + API,
        "[timeouts]\ntotal = '30s'\n" + API,  # a default may be longer
        "[stream]\nheartbeat = '2m'\n[timeouts]\nidle = '1m'\n" + API,  # before its head
        "[stream]\nheartbeat = '15s'\n" + API,
        # something that breaks while it is held has a status, also without a retry
        "retry = false\n[stream]\ncommit = 'body:64KiB'\n" + API,
        BOTH + "methods = ['GET', 'POST']\ncache.post = true",
        BOTH + "cache.post = true",
        "[concurrency]\nadaptive = 'gradient'\nmax_requests = 5\n" + API,
        "[concurrency]\nadaptive = 'gradient'\nmax_requests = 2\nmin = 1\n" + API,
        "[concurrency]\nadaptive = 'off'\nmax_requests = 2\n" + API,
        "[concurrency]\n[queue]\nkey = 'path'\n" + API,
        "[deadline]\nforward = ''\nreserve = '0'\n" + API,
        "[deadline]\nforward = ''\nmax = '40ms'\n" + API,
        "[stream]\ncommit_wait = '1s'\n" + API,
        "[stream]\ncommit = 'body:32MiB'\n" + API,
        "[cache]\nmax_size = '1GiB'\n[store]\nurl = 'sqlite:/tmp/a.db'\n" + API,
        "[timeouts]\nper_try = '2s'\n[retry]\nonly_if_failed_within = '2s'\n" + API,
        "[coalesce]\n" + BOTH + "methods = ['QUERY']",
        "[rate_limit]\naverage = '${RATE:-0}'\nlearn = true\nperiod = '1m'\nkey = 'path'\n" + API,
        "[rate_limit]\nlearn = true\naverage = 0\n" + BOTH + "rate_limit.period = '1m'",
        "[rate_limit]\nkey = 'path'\nperiod = '1m'\n" + BOTH + "rate_limit.average = 5\n" + REST,
        "[load_balance]\npolicy = 'round_robin'\n" + API,
        "[load_balance]\nmin_share = 100\npolicy = 'round_robin'\n" + API,
        "[load_balance]\nejection_time = '0'\n[circuit_breaker]\n" + API,
        # in one route it does something
        "[load_balance]\nhash_key = 'path'\n"
        + BOTH
        + "[[upstreams]]\nname = 'b'\nservers = ['http://b']\nload_balance.policy = 'hash'\n"
        + OTHER,
        "[retry]\non = ['503']\n" + BOTH + "retry.attempts = 1\n" + REST,
        "[retry]\nbackoff_base = '1s'\n" + BOTH + "retry.backoff_max = '500ms'\n" + REST,
        "[retry]\nwait_for_connect = '1m'\n" + BOTH + "timeouts.total = '30s'\n" + REST,
        "[retry.budget]\npercent = 0\n" + BOTH + "retry.budget.min_per_second = 1\n" + REST,
        "[timeouts]\nper_try = '2s'\n" + BOTH + "retry.attempts = 1\n" + REST,
        "[timeouts]\nper_try = '5s'\n" + BOTH + "timeouts.first_byte = '3s'\n" + REST,
        "[hedge]\n" + BOTH + "methods = ['POST']\n" + REST,
        "[hedge]\nmax = 2\n" + API,
        "[hedge]\nmax = 5\n[retry]\nattempts = 1\n" + API,
        "[hedge]\nmax = 5\n" + BOTH + "retry = false\n" + REST,
        "[hedge]\nmax = 5\n" + BOTH + "retry.attempts = 6\n" + REST,
        "[hedge]\ndelay = '5s'\n" + BOTH + "timeouts.first_byte = '3s'\n" + REST,
        "[circuit_breaker]\ninterval = '1m'\nmin_requests = 5\n"
        + BOTH
        + "circuit_breaker.failure_ratio = 0.5\n"
        + REST,
        "[circuit_breaker]\nbase_ejection_time = '9s'\n"
        + BOTH
        + "circuit_breaker.max_ejection_time = '5s'\n"
        + REST,
        "[stream]\nresume = '5s'\n" + BOTH + "methods = ['POST']\n" + REST,
        "[coalesce]\n" + BOTH + "methods = ['POST']\n" + REST,
        "[cache]\n" + BOTH + "methods = ['POST']\n" + REST,
        "[concurrency]\nmin = 2\n"
        + BOTH
        + "[[upstreams]]\nname = 'b'\nservers = ['http://b']\n"
        + "concurrency.adaptive = 'gradient'\n"
        + OTHER,
        "[queue]\n"
        + BOTH
        + "[[upstreams]]\nname = 'b'\nservers = ['http://b']\nconcurrency = {}\n"
        + OTHER,
        # and in one that adds to the table of the top
        "[cache]\n" + BOTH + "methods = ['POST']\n" + REST + "cache.max_object = '1KiB'",
        "[timeouts]\nidle = '1m'\n" + BOTH + "timeouts.total = '30s'\n" + REST,
        "[load_balance]\nejection_time = '5s'\n" + BOTH + "circuit_breaker = {}\n" + REST,
        "[cache]\npost = true\n" + BOTH + "methods = ['GET']\n" + REST,
    ],
)
def test_what_does_something_is_not_doubted(tmp_path: Path, text: str) -> None:
    assert said(tmp_path, text) == []


@pytest.mark.parametrize(
    ("top", "one", "other", "place"),
    [
        ("[cache]\npost = true\n", "methods = ['GET']\n", "methods = ['HEAD']", "cache.post"),
        ("[retry]\non = ['503']\n", "retry.attempts = 1\n", "retry.attempts = 1", "retry.on"),
        ("[cache]\n", "methods = ['PUT']\n", "methods = ['PATCH']", "cache"),
        ("[hedge]\n", "methods = ['PATCH']\n", "methods = ['POST']", "hedge"),
    ],
)
def test_what_does_nothing_in_any_route_is_said_once_at_the_top(
    tmp_path: Path, top: str, one: str, other: str, place: str
) -> None:
    [line] = said(tmp_path, top + BOTH + one + REST + other)
    assert line.startswith(f"{place}: warning: ")
