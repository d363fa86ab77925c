"""Contents of finished maps, for people and for programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from georaster_dl.core.wording import counted

if TYPE_CHECKING:
    from georaster_dl.predict.options import Summary

__all__ = ["map_contents", "map_results"]


def map_results(summary: Summary) -> dict[str, Any]:
    """Collect the contents of a map for ``--progress json``."""
    values = summary.findings.values
    if not values:
        rejected = summary.findings.rejected
        beside = {} if rejected is None else {"rejected": asdict(rejected)}
        return {"classes": summary.findings.counts, **beside}
    return {"values": {name: asdict(of_quantity) for name, of_quantity in values.items()}}


def map_contents(summary: Summary) -> str:
    """Describe the contents of a map in a line."""
    counts, values = summary.findings.counts, summary.findings.values
    if values:
        return "\n".join(
            f"{name}: mean {of_quantity.mean:.4g}, from {of_quantity.min:.4g} to {of_quantity.max:.4g}"
            for name, of_quantity in values.items()
        )
    total = sum(counts.values())
    shares = ", ".join(f"{name} {100 * n / total:.1f} %" for name, n in counts.items() if n)
    rejected = summary.findings.rejected
    if rejected is None:
        return shares
    return (
        f"{shares}\n{rejected.name}: {counted(rejected.pixels, 'pixel')} whose class is less probable than "
        f"{rejected.threshold:.3g}, the limit that keeps {rejected.coverage:g} of the ground that the model was calibrated on"
    )
