"""The parts whose time `make microbench` shows are those of the code of today."""

import pytest

from benchmarks.micro.parts import PARTS


@pytest.mark.parametrize("name", PARTS)
async def test_a_part_can_be_called(name: str) -> None:
    assert PARTS[name]()()
