"""What a configuration gets wrong with ``[stream] resume``."""

from collections.abc import Iterator

from proxy.core.findings import WARNING, Finding, Written


def problems(written: Written) -> Iterator[Finding]:
    """What is wrong with `[stream] resume`."""
    methods, stream = written.options.methods, written.options.stream
    if methods and not {"GET", "HEAD", "QUERY"} & set(methods):
        at = written.at("stream", "resume")
        if at and stream is not None and stream.resume:
            yield Finding(at, f"{WARNING} nothing of {', '.join(methods)} is resumed, only GET")
