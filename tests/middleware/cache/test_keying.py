"""What a target is stored under."""

from proxy.core.exchange import Exchange
from proxy.middleware.cache.keying import Keys


def asking(*fields: tuple[bytes, bytes], target: bytes = b"/", host: str = "a.test") -> Exchange:
    return Exchange("GET", target, fields, host=host)


def test_the_same_address_has_one_key() -> None:
    key = Keys("api").of(asking())
    assert Keys("api").of(asking(host="A.test")) == key
    assert Keys("api").of(asking((b"X-Forwarded-Host", b"A.TEST"), (b"Accept", b"x"))) == key


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
    assert len({keys.of(each) for each in asked} | {Keys("b").of(asking())}) == 7


def test_another_target_is_of_the_same_address() -> None:
    field = (b"X-Forwarded-Host", b"b.test")
    keys = Keys("api")
    found = keys.of_target(asking(field, target=b"/a"), b"/b", "a.test")
    assert found == keys.of(asking(field, target=b"/b"))
