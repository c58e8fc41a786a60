"""What ``[tracing]`` needs beside the proxy itself."""

import importlib
from typing import Final

from proxy.telemetry.options import TracingOptions

MISSING: Final = "[tracing] needs a package: pip install 'opentelemetry-proto>=1.30'"


def lacking(options: TracingOptions | None) -> str:
    """What has to be installed for this; empty where everything is here."""
    if options is not None:
        try:
            importlib.import_module("proxy.telemetry.otlp")
        except ImportError:
            return MISSING
    return ""
