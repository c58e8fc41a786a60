"""What was probably meant by a value that an option does not take, as the end of a sentence.

Every function gives ``", did you mean ...?"`` or another short hint, or nothing.
"""

import re
from collections.abc import Iterable
from typing import Any, Final

from proxy.config.absent import SPLIT
from proxy.config.foreign import HASHED, VALUES
from proxy.config.similar import plain, suggestion
from proxy.config.wrong_units import NEVER, meant
from proxy.core.findings import Place

_RATE: Final = re.compile(r"([0-9.]+) ?(?:r|req|requests?|rps)?(?: ?/ ?(?:s|sec|second))?")
"""``10r/s`` of other proxies, where the period is a second."""
YES: Final = ("yes", "on", "true", "1", "enabled", "y")

MAIN: Final = {
    "AdminOptions": ("listen", "127.0.0.1:9901"),
    "BudgetOptions": ("percent", 20),
    "CacheOptions": ("ttl", "1m"),
    "CircuitBreakerOptions": ("consecutive_failures", 5),
    "ConcurrencyOptions": ("max_requests", 100),
    "CorsOptions": ("allow_origins", ["https://app.example.com"]),
    "CredentialsOptions": ("value", "Bearer ${API_TOKEN}"),
    "DeadlineOptions": ("max", "10m"),
    "ErrorsOptions": ("format", "text"),
    "HealthCheckOptions": ("path", "/health"),
    "HedgeOptions": ("delay", "p95"),
    "LoadBalanceOptions": ("policy", "least_request"),
    "LogOptions": ("level", "debug"),
    "QueueOptions": ("size", 1024),
    "RateLimitOptions": ("average", 10),
    "RetryOptions": ("attempts", 3),
    "RewriteOptions": ("pattern", "^/old/"),
    "ServerEntry": ("url", "http://10.0.0.1:9000"),
    "ServerOptions": ("listen", "127.0.0.1:8080"),
    "ShutdownOptions": ("grace_period", "30s"),
    "StoreOptions": ("url", "sqlite:/var/lib/sidecar-proxy/store.db"),
    "StreamOptions": ("heartbeat", "15s"),
    "TimeoutsOptions": ("first_byte", "5m"),
    "UpstreamTlsOptions": ("ca_file", "ca.pem"),
}
"""The option that somebody means who writes a bare value for a table, with an example."""
_TIMES: Final = ("first_byte", "grace_period", "heartbeat", "max", "ttl")
"""Those of them that are durations, of which a bare number is the seconds."""
_MOST: Final = 10**15
"""Above, a number is no value of any option, and may have more digits than Python writes."""
_PERCENT: Final = ("percent",)
_SHARES: Final = ("average", "percent")
"""Those that need be no whole number."""
_SEVERAL: Final = 2
_NEVER_EMPTY: Final = ("CorsOptions", "CredentialsOptions", "HealthCheckOptions", "RewriteOptions")
"""Tables that say nothing while they are empty."""
_BESIDE: Final = {"RewriteOptions": ', replacement = "/new/"'}
"""What else has to be written."""


def switch(raw: Any) -> str:
    """``true`` or ``false``."""
    word = str(raw).strip().lower()
    if word in YES:
        return meant("true")
    return meant("false") if word in ("no", "off", "false", "0", "disabled", "n") else ""


def number(raw: Any, *, whole: bool, high: float | None) -> float | None:
    """The number that a value stands for, where it stands for one."""
    if isinstance(raw, str):
        text = _RATE.sub(r"\1", raw.strip())
        percent = text.endswith("%")
        text = text.removesuffix("%").strip().replace("_", "")
        if not re.fullmatch(r"-?[0-9]{1,15}(\.[0-9]{1,15})?", text):
            return None
        value = float(text) / (100 if percent and high == 1 else 1)
    elif isinstance(raw, float):
        value = raw
    elif isinstance(raw, int) and not isinstance(raw, bool) and high == 1 and 1 < raw <= 100:
        value = raw / 100  # percent, where a share is wanted
    else:
        return None
    if not -1e15 < value < 1e15 or (whole and value != int(value)):
        return None
    return int(value) if value == int(value) else value


def word(raw: Any, known: Iterable[str]) -> str:
    """One of some words."""
    known = list(known)
    if isinstance(raw, bool):
        raw = str(raw).lower()
    if not isinstance(raw, str):
        return ""
    letters = plain(raw)
    if "hash" in known and letters in HASHED:
        return meant(f'"hash" with hash_key = "{HASHED[letters]}"')
    same = [each for each in known if plain(each) == letters]
    if not same and VALUES.get(letters) in known:
        same = [VALUES[letters]]
    return meant(f"{same[0]!r}") if same else suggestion(raw.strip(), known)


def without(name: Any, raw: Any) -> str:
    """How to say "no limit", or "never", with an option that takes no 0."""
    return _WITHOUT.get(name, "") if is_never(raw) else ""


_WITHOUT: Final = {
    "attempts": ", 1 is no second attempt",
    "max_requests": ", without [concurrency] there is no limit",
}


def is_never(raw: Any) -> bool:
    """Whether a value says that something is not wanted."""
    if isinstance(raw, str):
        return raw.strip().lower() in NEVER or raw.strip() in ("0", "n")
    return raw is False or (not isinstance(raw, bool) and raw in (0, -1))


def table(kind: str, place: Place, raw: Any, *, switch: bool = False) -> str:
    """A table, of the class ``kind``, for which something else was written.

    ``switch``: ``false`` may stand in its place.
    """
    name = str(place[-1])
    if is_never(raw):
        return meant("false") if switch and raw != "" else ""
    if isinstance(raw, str) and raw.strip().lower() in YES:
        raw = True
    if isinstance(raw, list) and raw and all(isinstance(each, dict) for each in raw):
        return meant(f"[{'.'.join(step for step in place if isinstance(step, str))}]")
    option, example = MAIN.get(kind, ("", ""))
    if raw is True and kind not in _NEVER_EMPTY:
        return f", an empty table switches it on: {name} = {{}}"
    if raw is True:
        one = f'["{example[0]}"]' if isinstance(example, list) else f'"{example}"'
        return f", for example {name} = {{ {option} = {one}{_BESIDE.get(kind, '')} }}"
    if not option or isinstance(raw, list | dict | bool):
        return ""
    written = None if kind == "CredentialsOptions" else _as(example, option, raw)
    value = example if written is None else written
    shown = f'"{value}"' if isinstance(value, str) else value
    whole = f"{name} = {{ {option} = {shown}{_BESIDE.get(kind, '')} }}"
    return f", for example {whole}" if written is None else meant(whole)


def _as(example: Any, option: str, raw: Any) -> Any:
    """What was written as a value of an option; None where it is none by its looks."""
    if isinstance(raw, int):
        given: float | None = raw if abs(raw) < _MOST else None
    else:
        is_percent = isinstance(raw, str) and "%" in raw and option not in _PERCENT
        given = None if is_percent else number(raw, whole=False, high=None)
    if option in _PERCENT and given is not None and 0 < given < 1 and "%" not in str(raw):
        given = number(f"{given * 100:.6f}", whole=False, high=None)  # a share
    if option in _TIMES and given is not None:
        return f"{given}s"
    if isinstance(example, int):
        return given if option in _SHARES or given is None or given == int(given) else None
    if isinstance(example, list):
        return [raw] if isinstance(raw, str) else None
    return raw if isinstance(raw, str) else None


def pairs(raw: Any) -> str:
    """A table of names and values for which ``"Name: value"`` was written."""
    texts = raw if isinstance(raw, list) else [raw]
    if not texts or not all(isinstance(text, str) for text in texts):
        return ""
    found = [re.fullmatch(r"\s*([\w-]+)\s*[:=]\s*.+", text) for text in texts]
    names = [each[1] for each in found if each]
    # Values are not repeated: they may be secrets.
    return meant("{ " + ", ".join(f'{name} = "..."' for name in names) + " }") if names else ""


def listed(place: Place) -> str:
    """What is expected where a list may stand."""
    or_table = place[:1] == ("routes",) and place[-1] == "fallback"
    return "a list of upstreams, or { status, file }" if or_table else "a list"


def items(raw: Any) -> str:
    """A list for which one value was written."""
    if isinstance(raw, str) and raw.strip():
        parts = re.split(r"[,\s]+", raw.strip()) if "://" not in raw else [raw]
        return meant("[" + ", ".join(f'"{part}"' for part in parts if part) + "]")
    return meant(f'["{raw}"]') if isinstance(raw, int) and not isinstance(raw, bool) else ""


def several(place: Place, raw: Any) -> str:
    """Several values where a route has one, and rules for fields where it has conditions."""
    if place[0] == "routes" and place[2:] == ("strip_prefix",) and raw is True:
        return ', expected the prefix itself, as in strip_prefix = "/v1"'
    if place[0] != "routes" or not isinstance(raw, list | dict):
        return ""
    if place[2:3] == ("headers",) and place[-1] in ("set", "add", "remove", "hide", "delete"):
        return ", rules for fields stand in request_headers and in response_headers"
    if len(raw) < _SEVERAL or not isinstance(raw, list):
        return ""
    if place[2:] in (("host",), ("path",), ("path_regex",)):
        return ", write one [[routes]] for each"
    if place[2:] != ("upstream",):
        return ""
    if all(isinstance(each, str) for each in raw):
        return ", expected the first one, and fallback with those that take over"
    return f": {SPLIT}"


def text(raw: Any) -> str:
    """A string for which something else was written."""
    if isinstance(raw, list) and len(raw) == 1 and isinstance(raw[0], str):
        return meant(f'"{raw[0]}"')
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        return ""
    return meant(f'"{raw}"')
