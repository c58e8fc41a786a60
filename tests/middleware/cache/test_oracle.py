"""What hishel 2 decides of the same requests and replies, where it decides.

hishel is another cache by RFC 9111. Each difference has a reason below, with a section of an RFC; a
difference without one fails.
"""

from email.utils import formatdate
from typing import Any

import hishel
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from proxy.core.cache_options import CacheOptions
from proxy.core.stored import Meta
from proxy.middleware.cache.asked import asked_by
from proxy.middleware.cache.filling import Rules, plan
from proxy.policy.freshness import Use, reuse
from proxy.policy.storing import is_public
from tests.support.loop import get, reply

NOW = 1_700_000_000.0
SHARED = hishel.CacheOptions(shared=True, supported_methods=["GET"], allow_stale=False)
HEURISTIC = (200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501)

numbers = st.sampled_from(["0", "1", "60", "3600", "007", "99999999999", '"60"', "x", "-1", ""])
DIRECTIVES = ("no-store", "no-cache", "public", "private", "must-revalidate", "proxy-revalidate")
directives = st.one_of(
    st.sampled_from(
        [*DIRECTIVES, "must-understand", "immutable", 'private="X-A"', 'no-cache="X-A"', "Public"]
    ),
    st.builds("{}={}".format, st.sampled_from(["max-age", "s-maxage", "Max-Age"]), numbers),
)
controls = st.lists(
    # Of one that comes twice the first counts (RFC 9111 4.2.1); hishel takes the last.
    directives,
    min_size=1,
    max_size=4,
    unique_by=lambda each: each.partition("=")[0].lower(),
).map(", ".join)
dates = st.integers(-200_000, 200_000).map(lambda far: formatdate(NOW + far, usegmt=True))
odd_dates = dates | st.sampled_from(["0", "-1", "soon"])
replies = st.fixed_dictionaries(
    {},
    optional={
        "Cache-Control": controls,
        "Expires": odd_dates,
        "Date": dates,
        "Last-Modified": dates,
        "Age": st.sampled_from(["0", "30", "7200", "x"]),
        "ETag": st.just('"a"'),
        "Vary": st.sampled_from(["Accept", "*", "Accept, X-B"]),
        "Set-Cookie": st.just("a=1"),
    },
)
asks = st.sampled_from(["no-cache", "no-store", "max-age=5", "min-fresh=30", "max-stale=9"])
requests = st.fixed_dictionaries(
    {},
    optional={
        "Authorization": st.just("Basic eA=="),
        "Accept": st.just("x"),
        "Cache-Control": asks,
    },
)
statuses = st.sampled_from(
    [
        *(200, 203, 204, 206, 300, 301, 302, 307, 308, 400, 401, 403, 404, 410, 414, 416, 429),
        *(431, 451, 500, 501, 502, 503, 504),
    ]
)


class Both:
    """One exchange, as both caches see it."""

    def __init__(self, asked: dict[str, str], fields: dict[str, str], status: int) -> None:
        ours = [(name.encode(), value.encode()) for name, value in asked.items()]
        self.fields = fields
        self.status = status
        self.asked = asked_by(get("/a", ours), lambda *_: b"k")
        came = reply(status, [(name.encode(), value.encode()) for name, value in fields.items()])
        self.rules = Rules(CacheOptions(), "/", lambda: NOW)
        self.planned = plan(self.asked, came, self.rules, (NOW, NOW))
        self.said, _ = self.rules.said_by(self.rules.find(came.headers))
        self.request = hishel.Request("GET", "http://a/a", hishel.Headers(asked))
        self.response = hishel.Response(status, hishel.Headers(fields))
        try:
            state = hishel.CacheMiss(options=SHARED, request=self.request).next(self.response)
        except ValueError as error:  # a directive that it takes for an error
            self.theirs = type(error).__name__
        else:
            self.theirs = type(state).__name__

    def why_not_ours(self) -> str:
        """Why we store nothing where hishel does; empty for no reason."""
        why = str(self.planned)
        reasons = {
            "request-no-store": "RFC 9111 5.2.1.5: the request forbids it; hishel does not look",
            "vary": "RFC 9111 4.1: Vary: * never matches, so it is of no use",
            "no-freshness": "RFC 9111 3: it could never be used: not fresh, and not validated",
            "set-cookie": "RFC 9111 7.3 warns of it; we want explicit freshness",
        }
        if why == "status" and self.status in (400, 401, 416, 429, 431):
            return "RFC 6585 3 to 6; a reply about one client's request, which RFC 9111 3 may skip"
        if why == "must-understand" and self.status not in HEURISTIC:
            return "RFC 9111 5.2.2.3: we do not understand the status; hishel does not look"
        return reasons.get(why, "")

    def why_ours(self) -> str:
        """Why we store what hishel does not; empty for no reason."""
        if b"must-understand" in self.said and b"no-store" in self.said:
            return "RFC 9111 5.2.2.3: who understands the status ignores no-store"
        ages = (self.said.get(name) for name in (b"max-age", b"s-maxage"))
        if any(age is not None and not age.isdigit() for age in ages):
            return "RFC 9111 4.2.1: what is no number is stale, which may be stored and validated"
        return ""


@pytest.fixture(autouse=True)
def one_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hishel._core._spec.time.time", lambda: NOW)


SLOW = settings(
    max_examples=400,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@SLOW
@given(asked=requests, fields=replies, status=statuses)
@example(asked={}, fields={"Cache-Control": "max-age=x", "ETag": '"a"'}, status=302)
def test_what_is_stored(asked: dict[str, str], fields: dict[str, str], status: int) -> None:
    both = Both(asked, fields, status)
    if both.theirs == "StoreAndUse" and isinstance(both.planned, str):
        assert both.why_not_ours(), both.planned
    if both.theirs == "CouldNotBeStored" and isinstance(both.planned, Meta):
        assert both.why_ours()


def used_by_theirs(both: Both) -> bool:
    entry: Any = hishel.Entry(None, both.request, both.response)  # type: ignore[arg-type]
    state = hishel.IdleClient(options=SHARED).next(both.request, [entry])
    return isinstance(state, hishel.FromCache)


@SLOW
@given(asked=requests, fields=replies, status=statuses)
def test_what_is_used(asked: dict[str, str], fields: dict[str, str], status: int) -> None:
    both = Both(asked, fields, status)
    meta = both.planned
    if both.theirs != "StoreAndUse" or isinstance(meta, str):
        return
    wanted = both.asked.wanted
    ours = reuse(meta.freshness, wanted, NOW) is Use.FRESH
    theirs = used_by_theirs(both)
    numbers = [both.said[name] for name in (b"max-age", b"s-maxage") if name in both.said]
    explicit = b"max-age" in both.said or b"s-maxage" in both.said or "Expires" in fields
    if theirs and not ours:
        assert (
            "Age" in fields  # RFC 9111 4.2.3: age_value counts; hishel knows Date only
            or wanted.max_age is not None  # RFC 9111 5.2.1.1; hishel does not look
            or wanted.min_fresh  # RFC 9111 5.2.1.3; likewise
            # RFC 9111 4.2.2: a guess is for heuristic statuses and public; ours is from Date, since
            # it is the server's time that Last-Modified is of, and a day at most
            or not explicit
            # RFC 9111 4.2.1: what is no number makes it stale; hishel takes it for not there
            or not all(number and number.isdigit() for number in numbers)
        )
    if ours and not theirs:
        assert (
            not explicit  # RFC 9111 4.2.2: of Date, not of now
        ), (meta.freshness, is_public(both.said))
