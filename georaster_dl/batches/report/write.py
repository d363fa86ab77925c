"""A batch as files for people and programs: a page with pictures, a table, and JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from georaster_dl.batches.report.page import QUICKLOOKS, Pictures, page, relative
from georaster_dl.batches.report.row import SceneRow, Status
from georaster_dl.batches.report.scene_thumbnails import scene_thumbnail
from georaster_dl.batches.report.thumbnails import thumbnails
from georaster_dl.core.disk import explain_os_error
from georaster_dl.core.scene_options import SceneOptions
from georaster_dl.core.text import cell
from georaster_dl.io.files.atomic import write_atomically
from georaster_dl.io.files.temporary import make_folder
from georaster_dl.io.output.staging import Extras, FailedOutput
from georaster_dl.render.thumbnails import Thumbnail

__all__ = ["SceneRow", "Status", "write_report"]

_MOST_SCENES = 500  # of which pictures are drawn: the scenes are slower to read than the maps
_BESIDE = (
    "pixels",
    "valid_pixels",
    "classes",
    "values",
    "novelty",
    "seconds",
    "device",
    "files",
    "failed",
)


def write_report(
    folder: Path,
    rows: Sequence[SceneRow],
    facts: Mapping[str, Any],
    warn: Callable[[str], None] = lambda _message: None,
) -> tuple[list[Path], tuple[FailedOutput, ...]]:
    """Write ``batch.html``, ``batch.csv``, ``batch.json`` and the page's ``quicklooks``.

    These are ``NAME.png`` of the map and ``NAME_scene.png`` of the scene, drawn where they are
    missing, older than the map or, of a quantity, on another scale than now.

    Parameters
    ----------
    folder : that the files are put into; it exists.
    rows : one for each scene, in the order of the batch.
    facts : of the batch, as JSON can hold them; the page shows ``model``, ``started`` (texts),
        ``seconds``, and ``parameters`` (those options that were set, by name).
    warn : called with one line for each file, and once for the pictures, that cannot be made.

    Returns
    -------
    Paths of the page, the table and the JSON; and what could not be made of them and of the pictures,
    none of which costs the others.
    """
    extras = Extras(warn)
    pictures = _pictures(rows, folder / QUICKLOOKS, extras)
    texts: dict[str, Callable[[], str]] = {
        "batch.html": lambda: page(folder, rows, facts, pictures),
        "batch.csv": lambda: _table(folder, rows),
        "batch.json": lambda: _json(folder, rows, facts),
    }
    made = []
    for name, text in texts.items():
        with extras.making(folder / name):
            write_atomically(folder / name, text().encode(errors="backslashreplace"))
            made.append(folder / name)
    return made, extras.failed


def _pictures(rows: Sequence[SceneRow], folder: Path, extras: Extras) -> dict[str, Pictures]:
    names = {row.name.casefold() for row in rows}
    outputs = {row.name: row.output for row in rows if row.finished and row.output is not None}
    maps: dict[Path, Thumbnail | None] = {}
    # One for all: what keeps a picture from being made mostly keeps the others, too.
    with extras.making(folder):
        _make(folder)
        maps = thumbnails({folder / f"{name}.png": output for name, output in outputs.items()})
    if folder.is_symlink():
        return {}
    made: dict[str, Pictures] = {}
    for row in rows:
        if row.name not in outputs:
            continue
        beside = f"{row.name}_scene"
        wanted = len(rows) <= _MOST_SCENES and beside.casefold() not in names
        with extras.making(folder):
            made[row.name] = Pictures(
                maps.get(folder / f"{row.name}.png"),
                _of_scene(row, outputs[row.name], folder / f"{beside}.png") if wanted else None,
            )
    return made


def _make(folder: Path) -> None:
    try:
        make_folder(folder)
    except OSError as error:
        raise explain_os_error(error, folder) from error


def _json(folder: Path, rows: Sequence[SceneRow], facts: Mapping[str, Any]) -> str:
    content = {**facts, "scenes": [_facts(folder, row) for row in rows]}
    return json.dumps(content, indent=1, default=str) + "\n"


def _of_scene(row: SceneRow, output: Path, path: Path) -> Thumbnail | None:
    stated = row.record.get("run", {}).get("parameters", {}).get("scene", {})
    names = stated.get("bands")
    options = SceneOptions(None if names is None else tuple(names), stated.get("nodata"))
    return scene_thumbnail(row.sources, options, output, path)


def _facts(folder: Path, row: SceneRow) -> dict[str, Any]:
    """Collect the data of a scene, without the identity in its record."""
    return {
        "name": row.name,
        "sources": list(row.sources),
        "status": row.status,
        "error": row.error,
        "warnings": list(row.warnings),
        "output": relative(folder, row),
        **{key: row.record[key] for key in _BESIDE if key in row.record},
    }


def _table(folder: Path, rows: Sequence[SceneRow]) -> str:
    """Format a CSV table, a row per scene; unknown values are empty."""
    written = [_cells(folder, row) for row in rows]
    columns = dict.fromkeys(column for cells in written for column in cells)
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    for line in (list(columns), *([cells.get(name, "") for name in columns] for cells in written)):
        writer.writerow([cell(value) for value in line])
    return file.getvalue()


def _cells(folder: Path, row: SceneRow) -> dict[str, Any]:
    record = row.record
    counts = record.get("classes", {})
    total = sum(counts.values())
    return {
        "name": row.name,
        "scene": row.source,
        "status": row.status,
        "error": row.error,
        "map": relative(folder, row),
        "pixels": record.get("pixels", ""),
        "valid_share": f"{row.valid_share:.6g}" if record else "",
        **({"novelty": record["novelty"]} if "novelty" in record else {}),
        "seconds": record.get("seconds", ""),
        "device": record.get("device", ""),
        **{f"share: {name}": f"{n / total:.6g}" for name, n in counts.items() if total},
        **{
            f"{key}: {name}": f"{of_one[key]:.9g}"
            for name, of_one in record.get("values", {}).items()
            for key in ("mean", "min", "max")
        },
    }
