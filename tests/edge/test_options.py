"""What the table of the listener means."""

import pytest

from proxy.edge.options import ServerOptions


@pytest.mark.parametrize(
    ("listen", "addresses"),
    [("[::1]:1", ("[::1]:1",)), (("a:1", "unix:/b"), ("a:1", "unix:/b")), ((), ())],
)
def test_one_address_is_a_list_of_one(
    listen: str | tuple[str, ...], addresses: tuple[str, ...]
) -> None:
    assert ServerOptions(listen=listen).addresses == addresses
