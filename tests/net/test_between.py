"""What stands between a transport and its protocol."""

from unittest.mock import Mock

from proxy.net.between import Between


def test_all_but_what_is_read_is_handed_on() -> None:
    protocol, error = Mock(), OSError()
    protocol.eof_received.return_value = True
    between = Between(protocol)
    between.pause_writing()
    between.resume_writing()
    assert between.eof_received() is True
    between.connection_lost(error)
    told = [(name, arguments) for name, arguments, _ in protocol.method_calls]
    assert told == [
        ("pause_writing", ()),
        ("resume_writing", ()),
        ("eof_received", ()),
        ("connection_lost", (error,)),
    ]
