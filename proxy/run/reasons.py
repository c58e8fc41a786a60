"""Why the proxy cannot start, or cannot use another configuration."""


class CannotListen(Exception):
    """A sentence for the operator, with the address in it."""


class CannotStart(Exception):
    """A sentence for the operator."""


def reason(error: OSError | ValueError) -> str:
    """What cannot be used, with the name of the file where it is one."""
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"cannot use {error.filename!r}: {error.strerror}"
    return f"{type(error).__name__}: {error}"


class CannotReload(Exception):
    """A sentence for the operator. All is as it was."""
