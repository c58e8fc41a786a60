"""The table ``[timeouts]``."""

import pytest

from proxy.core.duration import Duration
from proxy.core.timeouts import TimeoutsOptions


def test_every_instance_has_its_own_defaults_in_their_own_types() -> None:
    clocks = TimeoutsOptions()
    assert isinstance(clocks.connect, Duration)
    assert str(clocks.connect) == "5s"


def test_options_are_frozen() -> None:
    with pytest.raises(AttributeError):
        TimeoutsOptions().connect = Duration(1)  # type: ignore[misc]
