"""Failures of a batch, grouped by their cause."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from georaster_dl.batches.report.row import SceneRow
from georaster_dl.io.files.scene_names import scene_stem

__all__ = ["Failure", "by_error"]

_ANY_SCENE = "SCENE"
# A name alone may be a word or a band, as where scenes are called "a" or "B04".
_FILE, _NAME = r"(?<!\w){}(?!\w)", r"(?<=[/\\'\"]){}(?![^\W_])"


@dataclass(frozen=True)
class Failure:
    """Failure that one or more scenes share.

    Attributes
    ----------
    error : a single scene's own words; of several what these have in common, with ``SCENE`` where
        each has its own path or name.
    warnings : in the same way, each once.
    """

    rows: tuple[SceneRow, ...]
    error: str
    warnings: tuple[str, ...]


def by_error(rows: Iterable[SceneRow]) -> list[Failure]:
    """The failures among the rows, that of most scenes first."""
    groups: dict[str, list[SceneRow]] = {}
    for row in rows:
        if row.status == "failed":
            groups.setdefault(_of_any(row, row.error), []).append(row)
    failures = [_failure(error, group) for error, group in groups.items()]
    return sorted(failures, key=lambda failure: -len(failure.rows))


def _failure(error: str, rows: list[SceneRow]) -> Failure:
    if len(rows) == 1:
        return Failure((rows[0],), rows[0].error, rows[0].warnings)
    warnings = dict.fromkeys(_of_any(row, text) for row in rows for text in row.warnings)
    return Failure(tuple(rows), error, tuple(warnings))


def _of_any(row: SceneRow, text: str) -> str:
    """Replace a scene's paths, file names and name by a placeholder."""
    for source in sorted(row.sources, key=len, reverse=True):
        text = text.replace(source, _ANY_SCENE)
    files = dict.fromkeys(Path(source).name for source in row.sources)
    names = dict.fromkeys([row.name, *map(scene_stem, row.sources)])
    for name in (*files, *names):
        if name and name in text:
            pattern = _FILE if name in files and "." in name else _NAME
            text = re.sub(pattern.format(re.escape(name)), _ANY_SCENE, text)
    return text
