"""Row of a scene in the reports of a batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from georaster_dl.io.output.staging import FailedOutput

__all__ = ["SceneRow", "Status"]

Status = Literal["done", "skipped", "failed", "not run"]


@dataclass(frozen=True)
class SceneRow:
    """One scene of a batch, and how it ended.

    Attributes
    ----------
    status : ``skipped`` where an earlier run had done it.
    error : one line; empty where it did not fail.
    output : the map, or the features; None where there is none.
    record : of the run, as ``predict.record`` writes it; empty where there is none.
    sources : path or address of the scene, or several single files of it.
    """

    name: str
    status: Status
    error: str = ""
    warnings: tuple[str, ...] = ()
    output: Path | None = None
    record: Mapping[str, Any] = field(default_factory=dict, repr=False)
    sources: tuple[str, ...] = ()

    @property
    def finished(self) -> bool:
        """Whether the output exists, from this batch or an earlier one."""
        return self.status in ("done", "skipped")

    @property
    def failed(self) -> list[FailedOutput]:
        """Extra outputs that the run could not write."""
        if self.output is None or not self.finished:
            return []
        told = self.record.get("failed", ())
        return [FailedOutput(self.output.with_name(one["name"]), one["reason"]) for one in told]

    @property
    def valid_share(self) -> float:
        """Share of the scene's pixels that hold data, NaN where that is not known."""
        pixels = self.record.get("pixels", 0)
        return self.record["valid_pixels"] / pixels if pixels else float("nan")

    @property
    def source(self) -> str:
        """Its files as a list of scenes has them: with semicolons between."""
        return ";".join(self.sources)
