"""Which files are text, and what it says."""

from __future__ import annotations

import codecs

SNIFFED_BYTES = 8192
MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def encoding_of(beginning: bytes) -> str | None:
    """How a file that begins so is encoded; None when it is no text."""
    for mark, encoding in MARKS:
        if beginning.startswith(mark):
            return encoding
    return None if b"\0" in beginning[:SNIFFED_BYTES] else "utf-8"
