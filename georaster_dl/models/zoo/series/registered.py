"""Registrations of the library's networks of image time series."""

from __future__ import annotations

__all__: list[str] = []
