"""What is refused before it has a route is answered as the route says that it leads to."""

import pytest

from proxy.edge.client_stream import ClientStream
from proxy.edge.preflights import PageRouter, answers
from proxy.edge.responses import ErrorsOptions
from proxy.edge.route_of_refusal import answer_as_route
from proxy.edge.router import RouteOptions
from proxy.http.fields import RawHeaders
from tests.support.client_stream import FakeClientStream
from tests.support.loop import Script, get
from tests.support.service import OneRoute

RAW = ((b"Origin", b"https://app.test"),)
TOP = ErrorsOptions(format="text")


class WithFields(OneRoute):
    """Tells an answer the fields of its request."""

    @staticmethod
    def own_fields(raw: RawHeaders) -> RawHeaders:  # type: ignore[override]  # it has some
        return raw


@pytest.mark.parametrize(
    ("method", "path", "name", "fields"),
    [
        ("GET", "/v1/a", "/v1", RAW),
        ("PUT", "/v1/a", "", RAW),  # no route takes it, but this is the one that it leads to
        ("GET", "/v2", "", ()),
        ("GET", "", "", ()),  # its target could not be read
    ],
)
def test_the_answer_looks_as_the_route_says(
    method: str, path: str, name: str, fields: RawHeaders
) -> None:
    options = RouteOptions(path="/v1", methods=("GET",), upstream="api")
    stream: ClientStream = FakeClientStream()
    stream.errors = TOP
    exchange = get()
    exchange.method, exchange.path = method, path
    router = PageRouter([(options, WithFields(Script()))], answers)
    answer_as_route(router, exchange, RAW, stream)
    assert (exchange.route, exchange.error_fields) == (name, fields)
    assert stream.errors is (WithFields.errors if fields else TOP)
