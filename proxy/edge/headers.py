"""The rules for header fields, each in a file of its own, under one name."""

from proxy.edge.field_rules import VARIABLES, FieldRules, HeaderRules
from proxy.edge.forwarded import Forwarding
from proxy.http.authority import hostname, valid_host
from proxy.http.grammar import TOKEN
from proxy.http.hop_by_hop import (
    FRAMING,
    HOP_BY_HOP,
    end_to_end_request,
    end_to_end_response,
    loops,
    via,
)
from proxy.http.request_id import identify

__all__ = [
    "FRAMING",
    "HOP_BY_HOP",
    "TOKEN",
    "VARIABLES",
    "FieldRules",
    "Forwarding",
    "HeaderRules",
    "end_to_end_request",
    "end_to_end_response",
    "hostname",
    "identify",
    "loops",
    "valid_host",
    "via",
]
