"""The status table."""

from proxy.core import errors
from proxy.edge.statuses import FAILURES, failure


def concrete(kind: type[errors.ProxyError]) -> list[type[errors.ProxyError]]:
    below = [leaf for sub in kind.__subclasses__() for leaf in concrete(sub)]
    return below or [kind]


def test_every_error_has_a_status() -> None:
    without = {errors.ClientGone}
    assert {*concrete(errors.ProxyError)} - without <= {*FAILURES}


def test_an_error_of_a_kind_that_nobody_named_is_ours() -> None:
    class Odd(errors.ProxyError):
        pass

    assert failure(Odd()) == (500, "proxy_internal_error")
