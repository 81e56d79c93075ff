"""What was measured on the way, printed while the tests run."""

from __future__ import annotations


def tell(what: str, seconds: float) -> None:
    """Print how long something took."""
    print(f"\n{what}: {seconds:.1f} s", flush=True)
