"""What a target is stored under."""

from proxy.core.exchange import Exchange
from proxy.middleware.cache.asked import asked_by, stable_digest
from proxy.middleware.cache.keying import Keys


def asking(*fields: tuple[bytes, bytes], target: bytes = b"/", host: str = "a.test") -> Exchange:
    return Exchange("GET", target, fields, target, host=host)


def key_of(keys: Keys, exchange: Exchange) -> bytes:
    return asked_by(exchange, keys.of).key


def test_the_same_address_has_one_key() -> None:
    key = key_of(Keys("api"), asking())
    assert key_of(Keys("api"), asking(host="A.test")) == key
    fields = (b"X-Forwarded-Host", b"A.TEST"), (b"Accept", b"x")
    assert key_of(Keys("api"), asking(*fields)) == key


def test_routes_that_change_fields_in_the_same_way_share_keys() -> None:
    one, other, none = b"gold", b"free", b""
    assert key_of(Keys("api", one), asking()) == key_of(Keys("api", one), asking())
    assert key_of(Keys("api", none), asking()) == key_of(Keys("api"), asking())
    assert len({key_of(Keys("api", each), asking()) for each in (one, other, none)}) == 3


def test_a_key_is_the_digest_of_all_that_is_asked_for() -> None:
    """Stores that outlive the process have such keys in them."""
    for host, target in (("A.test", b"/"), ("a.test:8080", b"/b?c"), ("A.test", b"x" * 9000)):
        key = stable_digest(b"3", b"api", b"http", host.lower().encode(), target)
        assert key_of(Keys("api"), asking(target=target, host=host)) == key


def test_another_address_has_another_one() -> None:
    keys = Keys("api")
    asked = [
        asking(),
        asking(target=b"/b"),
        asking(host="b.test"),
        asking((b"X-Forwarded-Host", b"b.test")),
        asking((b"X-Forwarded-Host", b"c.test")),
        asking((b"X-Rewrite-URL", b"/b")),
    ]
    assert len({key_of(keys, each) for each in asked} | {key_of(Keys("b"), asking())}) == 7
