"""What a caller gives beside a sentence becomes keys of a line on standard error."""

import json
import logging

import pytest

from proxy.core.duration import Duration
from proxy.core.size import Size
from proxy.telemetry.log import JsonFormatter


@pytest.mark.parametrize(
    ("given", "written"),
    [
        (Duration(30), "30.0"),
        (Size(1 << 20), "1048576"),
        ([Duration(1.5), {"limit": Size(7)}], '[1.5,{"limit":7}]'),
        (True, "true"),
        (None, "null"),
        (3, "3"),
        ("30s", '"30s"'),
    ],
)
def test_numbers_with_a_unit_of_their_own_are_numbers(given: object, written: str) -> None:
    record = logging.makeLogRecord({"msg": "draining", "levelname": "INFO", "grace_s": given})
    line = JsonFormatter().format(record)
    assert f'"grace_s":{written}' in line
    assert json.loads(line)["message"] == "draining"
