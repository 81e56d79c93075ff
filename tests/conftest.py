"""What all tests share."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# How long a case takes says how busy the machine is, and nothing else.
settings.register_profile("meshwright", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("meshwright")
