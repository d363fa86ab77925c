"""A batch as files for people and programs: a page with pictures, a table, and JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from georaster_dl.batch.page import QUICKLOOKS, Pictures, page, relative
from georaster_dl.batch.pictures import Thumbnail
from georaster_dl.batch.row import SceneRow, Status
from georaster_dl.batch.scene_thumbnails import scene_thumbnail
from georaster_dl.batch.thumbnails import thumbnail
from georaster_dl.io.options import SceneOptions
from georaster_dl.io.staging import explain_os_error, write_atomically
from georaster_dl.io.temporary import make_folder
from georaster_dl.text import cell

__all__ = ["SceneRow", "Status", "write_report"]

_MOST_SCENES = 500  # of which pictures are drawn: the scenes are slower to read than the maps
_BESIDE = ("pixels", "valid_pixels", "classes", "values", "seconds", "device", "files")


def write_report(folder: Path, rows: Sequence[SceneRow], facts: Mapping[str, Any]) -> list[Path]:
    """Write ``batch.html``, ``batch.csv``, ``batch.json`` and the page's ``quicklooks``.

    These are ``NAME.png`` of the map and ``NAME_scene.png`` of the scene, drawn where they are
    missing or older than the map.

    Parameters
    ----------
    folder : that the files are put into; it exists.
    rows : one for each scene, in the order of the batch.
    facts : of the batch, as JSON can hold them; the page shows ``model``, ``started`` (texts),
        ``seconds``, and ``parameters`` (those options that were set, by name).

    Returns
    -------
    Paths of the page, the table and the JSON.

    Raises
    ------
    OutputError
        When a file cannot be written.
    """
    quicklooks = folder / QUICKLOOKS
    try:
        make_folder(quicklooks)
    except OSError as error:
        raise explain_os_error(error, quicklooks) from error
    pictures = _pictures(rows, quicklooks)
    texts = {
        "batch.html": page(folder, rows, facts, pictures),
        "batch.csv": _table(folder, rows),
        "batch.json": json.dumps(
            {**facts, "scenes": [_facts(folder, row) for row in rows]}, indent=1, default=str
        )
        + "\n",
    }
    for name, text in texts.items():
        write_atomically(folder / name, text.encode())
    return [folder / name for name in texts]


def _pictures(rows: Sequence[SceneRow], folder: Path) -> dict[str, Pictures]:
    names = {row.name.casefold() for row in rows}
    made = {}
    for row in rows:
        if not row.finished or row.output is None:
            continue
        beside = f"{row.name}_scene"
        wanted = len(rows) <= _MOST_SCENES and beside.casefold() not in names
        made[row.name] = Pictures(
            thumbnail(row.output, folder / f"{row.name}.png"),
            _of_scene(row, row.output, folder / f"{beside}.png") if wanted else None,
        )
    return made


def _of_scene(row: SceneRow, output: Path, path: Path) -> Thumbnail | None:
    stated = row.record.get("run", {}).get("parameters", {}).get("scene", {})
    names = stated.get("bands")
    options = SceneOptions(None if names is None else tuple(names), stated.get("nodata"))
    return scene_thumbnail(row.sources, options, output, path)


def _facts(folder: Path, row: SceneRow) -> dict[str, Any]:
    """All that is known of a scene but what its own record says of the run."""
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
    """Comma-separated text, a row per scene; what is unknown is empty."""
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
        "seconds": record.get("seconds", ""),
        "device": record.get("device", ""),
        **{f"share: {name}": f"{n / total:.6g}" for name, n in counts.items() if total},
        **{
            f"{key}: {name}": f"{of_one[key]:.9g}"
            for name, of_one in record.get("values", {}).items()
            for key in ("mean", "min", "max")
        },
    }
