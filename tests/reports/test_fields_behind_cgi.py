"""What a server behind CGI or WSGI takes for another field is treated as that one.

CGI tells fields apart in capitals, with "_" for "-" (RFC 3875 4.1.18), and so does WSGI: a rule
that removes X-User has to remove X_User (CVE-2015-0219, Django). gunicorn drops fields with "_",
but believes SCRIPT_NAME of every peer on its own host and cuts it off the path (its options
forwarder_headers and forwarded_allow_ips).
"""

from typing import Any

import pytest

from tests.support.message import get
from tests.support.proxy import dialled, fronted, proxied
from tests.support.upstream import HEALTHY, RawUpstream, Request

TRUSTING = {"trusted_proxies": ["127.0.0.0/8"]}
RULES = {"set": {"X-User": "svc"}, "remove": ["True-Client-IP"]}
RULED = {"upstream": "api", "request_headers": RULES}
KEY = {"credentials": {"header": "X-Api-Key", "value": "value-of-the-key"}}


async def sent(*fields: bytes, **tables: Any) -> list[Request]:
    """What the upstream gets of requests with these lines, one after the other."""
    async with dialled(HEALTHY, **tables) as (upstream, _, client):
        for lines in fields:
            assert (await client.ask(get("/public/admin", fields=lines))).status == 200
        return upstream.requests


def taken_for(name: bytes, lines: list[bytes]) -> list[bytes]:
    """The values of all that such a server takes for this field, given in lower case with "-"."""
    pairs = (line.partition(b":") for line in lines)
    return [value.strip() for key, _, value in pairs if key.lower().replace(b"_", b"-") == name]


@pytest.mark.parametrize("name", [b"SCRIPT_NAME", b"script_name", b"Path_Info"])
async def test_a_client_does_not_say_which_part_of_the_path_is_the_script(name: bytes) -> None:
    line = b"%b: /public\r\n" % name
    low = name.lower().replace(b"_", b"-")
    # Read anew, then by what is known of its head; and by what is known of another one.
    for request in await sent(line, line, b"", line):
        assert taken_for(low, request.head.lines) == []
    for request in await sent(line, line, server=TRUSTING):
        assert taken_for(low, request.head.lines) == [b"/public"]


async def test_a_header_with_a_dash_is_a_header_as_any_other() -> None:
    for request in await sent(b"Script-Name: /a\r\n", b"Script-Name: /a\r\n"):
        assert request.head.values("Script-Name") == [b"/a"]


async def test_a_route_is_not_chosen_by_what_a_client_says_of_the_script() -> None:
    async with RawUpstream(HEALTHY) as upstream:
        tables: dict[str, Any] = {
            "routes": [{"upstream": "api", "headers": {"SCRIPT_NAME": "/app"}}]
        }
        for server, status in (({}, 404), (TRUSTING, 200)):
            async with proxied(upstream, server=server, **tables) as proxy:
                for _ in range(2):
                    answer = await proxy.ask(get(fields=b"SCRIPT_NAME: /app\r\n"))
                    assert answer.status == status


@pytest.mark.parametrize("name", [b"X_User", b"x_USER", b"X-User"])
async def test_a_field_that_a_route_sets_has_that_value_alone(name: bytes) -> None:
    line = b"%b: admin\r\n" % name
    for request in await sent(line, line + line, b"", routes=[RULED]):
        assert taken_for(b"x-user", request.head.lines) == [b"svc"]
        assert request.head.values("X-User") == [b"svc"]


@pytest.mark.parametrize("name", [b"True_Client_IP", b"true-client_ip", b"True-Client-IP"])
async def test_a_field_that_a_route_removes_is_gone(name: bytes) -> None:
    line = b"%b: 192.0.2.1\r\n" % name
    for request in await sent(line, line, routes=[RULED]):
        assert taken_for(b"true-client-ip", request.head.lines) == []


@pytest.mark.parametrize("name", [b"X_Request_Id", b"x_request-id"])
async def test_there_is_one_request_id_in_all_writings(name: bytes) -> None:
    theirs = b"%b: theirs\r\n" % name
    async with fronted(HEALTHY) as (upstream, proxy):
        for lines in (theirs, theirs, b"X-Request-Id: mine\r\n" + theirs):
            answer = await proxy.ask(get(fields=lines))
            found = taken_for(b"x-request-id", upstream.requests[-1].head.lines)
            assert found == answer.values("X-Request-Id") != [b"theirs"]
        assert found == [b"mine"]


TRAILERS = [
    *(b"X_Forwarded_For: 6.6.6.6", b"X_Real_IP: 6.6.6.6", b"Content_Length: 1", b"X_Request_Id: a"),
    *(b"Transfer_Encoding: gzip", b"SCRIPT_NAME: /a", b"X_User: admin", b"X-User: admin"),
    *(b"True_Client_IP: 6.6.6.6", b"X_Api_Key: theirs", b"X-Api-Key: theirs", b"X-Sum: 1"),
]


@pytest.mark.parametrize("pause", [False, True])
async def test_nor_does_a_trailer_say_what_the_head_may_not(pause: bool) -> None:
    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    body = b"5\r\nhello\r\n0\r\n%b\r\n\r\n" % b"\r\n".join(TRAILERS)
    tables: dict[str, Any] = {"routes": [RULED], "upstream_options": KEY}
    async with dialled(HEALTHY, **tables) as (upstream, _, client):
        await client.send(head)
        if pause:  # the body comes when its head has gone on
            await upstream.until(lambda: upstream.requests)
        await client.send(body)
        assert (await client.receive()).status == 200
        assert upstream.requests[0].body == b"hello"
        assert upstream.requests[0].chunks.trailers == [b"X-Sum: 1"]


async def test_a_trailer_that_no_rule_names_passes() -> None:
    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with fronted(HEALTHY) as (upstream, proxy):
        assert (await proxy.ask(head + b"0\r\nX_User: a\r\nX-Sum: 1\r\n\r\n")).status == 200
        assert upstream.requests[0].chunks.trailers == [b"X_User: a", b"X-Sum: 1"]
