"""Which models geodl has: asked once for each geodl, and remembered between sessions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Callable

from qgis.core import QgsSettings

from georaster_dl_qgis.program.installation import Geodl, version_of
from georaster_dl_qgis.program.runner import GeodlError, run
from georaster_dl_qgis.program.settings import child_environment

__all__ = [
    "AUTOMATIC",
    "IMAGES",
    "PIXELS",
    "TIME_SERIES",
    "add_own_model",
    "fetch_models",
    "models_are_current",
    "own_models",
    "store_models",
    "stored_models",
]

AUTOMATIC = "automatic"
"""The choice that leaves the model to geodl."""
IMAGES, TIME_SERIES = "images", "time series"
"""What a model reads, as ``geodl models list`` says it."""
PIXELS = "pixels"
"""What a classifier of ``geodl classify`` reads, of which none comes with geodl."""
_STORED = "georaster_dl/models"
_OWN = {
    IMAGES: "georaster_dl/own_models",
    TIME_SERIES: "georaster_dl/own_time_series_models",
    PIXELS: "georaster_dl/own_classifiers",
}
_MOST_OWN = 20


def stored_models(reads: str) -> list[dict[str, Any]]:
    """Rows of ``geodl models list --json`` for the models of an input, as they were learnt last."""
    rows = _stored().get("models", [])
    return [row for row in rows if row.get("input", IMAGES) == reads]


def models_are_current(geodl: Geodl) -> bool:
    """Check whether the stored models are those of this geodl as it is now."""
    return _stored().get("geodl") == _identity(geodl)


def fetch_models(
    geodl: Geodl, cancelled: Callable[[], bool] = lambda: False
) -> list[dict[str, Any]]:
    """Ask geodl for its models; takes a second, so never in the thread of the window.

    Raises
    ------
    GeodlError
        When it cannot tell.
    """
    environment = child_environment()
    version_of(geodl, environment, cancelled)
    command = [geodl.path, "models", "list", "--json"]
    rows = run(command, environment=environment, cancelled=cancelled, grace=0).result
    if not isinstance(rows, list):
        raise GeodlError(f"{geodl.path} did not tell its models; run 'Check or install geodl'.")
    return rows


def store_models(geodl: Geodl, rows: list[dict[str, Any]]) -> None:
    """Store the models of geodl."""
    stored = {"geodl": _identity(geodl), "models": rows}
    QgsSettings().setValue(_STORED, json.dumps(stored))


def own_models(reads: str) -> list[str]:
    """Files of models of an input that were trained or used here and still exist, the last one first."""
    stored = QgsSettings().value(_OWN[reads], []) or []
    paths = [stored] if isinstance(stored, str) else stored  # so is a list of one read
    return [path for path in paths if Path(path).is_file()]


def add_own_model(path: str, reads: str) -> None:
    """Have a file first in the list of own models of its input."""
    first = str(Path(path).absolute())
    others = [other for other in own_models(reads) if other != first]
    QgsSettings().setValue(_OWN[reads], [first, *others][:_MOST_OWN])


def _stored() -> dict[str, Any]:
    try:
        found = json.loads(QgsSettings().value(_STORED, "") or "{}")
    except (TypeError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _identity(geodl: Geodl) -> list[Any]:
    return [str(geodl.path), geodl.path.stat().st_mtime]
