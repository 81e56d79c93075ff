"""What every server of the mesh shares: lifecycle, boundary, errors, validation, settings, telemetry."""
