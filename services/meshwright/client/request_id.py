"""Identifiers of requests, made here so that a request can be repeated and takes effect once."""

from __future__ import annotations

import uuid


def new_request_id() -> str:
    """An identifier that nobody else has."""
    return uuid.uuid4().hex


def derived_request_id(request_id: str) -> str:
    """An identifier for what goes before a request: another one, and always the same."""
    return uuid.uuid5(uuid.NAMESPACE_OID, request_id).hex
