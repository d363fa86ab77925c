"""Which models geodl has: asked once for each geodl, and remembered between sessions."""

from __future__ import annotations

import json
from typing import Any, Callable

from qgis.core import QgsSettings

from .installation import Geodl, version_of
from .runner import GeodlError, run
from .settings import child_environment

__all__ = ["are_current", "known_models", "learn_models", "remember_models"]

_STORED = "georaster_dl/models"


def known_models() -> list[dict[str, Any]]:
    """Rows of ``geodl models list --json`` as they were learnt last; none before that."""
    return _stored().get("models", [])


def are_current(geodl: Geodl) -> bool:
    """Whether what is known was learnt from this geodl as it is now."""
    return _stored().get("geodl") == _identity(geodl)


def learn_models(
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


def remember_models(geodl: Geodl, rows: list[dict[str, Any]]) -> None:
    """Keep what geodl told."""
    stored = {"geodl": _identity(geodl), "models": rows}
    QgsSettings().setValue(_STORED, json.dumps(stored))


def _stored() -> dict[str, Any]:
    try:
        found = json.loads(QgsSettings().value(_STORED, "") or "{}")
    except (TypeError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _identity(geodl: Geodl) -> list[Any]:
    return [str(geodl.path), geodl.path.stat().st_mtime]
