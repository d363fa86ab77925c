"""A batch as files for people and programs: a page with pictures, a table, and JSON."""

from __future__ import annotations

import csv
import io
import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from jinja2 import Environment, StrictUndefined

from georaster_dl import __version__
from georaster_dl.batch.text import duration, mix, value_lines
from georaster_dl.batch.thumbnails import Thumbnail, thumbnail
from georaster_dl.errors import SceneError
from georaster_dl.evaluate.text import number, percent
from georaster_dl.io.palette import palette
from georaster_dl.io.raster_labels import stated_classes
from georaster_dl.io.staging import explain_os_error
from georaster_dl.models.package import write_atomically

__all__ = ["SceneRow", "Status", "write_report"]

Status = Literal["done", "skipped", "failed", "not run"]

_QUICKLOOKS = "quicklooks"
_BESIDE = ("pixels", "valid_pixels", "classes", "values", "seconds", "device", "files")


@dataclass(frozen=True)
class SceneRow:
    """One scene of a batch, and how it ended.

    Attributes
    ----------
    status : ``skipped`` where an earlier run had done it.
    error : one line; empty where it did not fail.
    output : the map, or the features; None where there is none.
    record : of the run, as ``predict.record`` writes it; empty where there is none.
    """

    name: str
    status: Status
    error: str = ""
    warnings: tuple[str, ...] = ()
    output: Path | None = None
    record: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def finished(self) -> bool:
        """Whether its output stands, made now or before."""
        return self.status in ("done", "skipped")

    @property
    def valid_share(self) -> float:
        """Share of the scene's pixels that hold data, NaN where that is not known."""
        pixels = self.record.get("pixels", 0)
        return self.record["valid_pixels"] / pixels if pixels else float("nan")


def write_report(folder: Path, rows: Sequence[SceneRow], facts: Mapping[str, Any]) -> list[Path]:
    """Write ``batch.html``, ``batch.csv``, ``batch.json`` and ``quicklooks/NAME.png``.

    A picture is only drawn where it is missing or older than its raster.

    Parameters
    ----------
    folder : that the files are put into; it exists.
    rows : one for each scene, in the order of the batch.
    facts : of the batch, as JSON can hold them; the page shows ``model``, ``started`` (texts) and
        ``seconds``.

    Returns
    -------
    Paths of the page, the table and the JSON.

    Raises
    ------
    OutputError
        When a file cannot be written.
    """
    quicklooks = folder / _QUICKLOOKS
    try:
        quicklooks.mkdir(exist_ok=True)
    except OSError as error:
        raise explain_os_error(error, quicklooks) from error
    pictures = {
        row.name: thumbnail(row.output, quicklooks / f"{row.name}.png")
        for row in rows
        if row.finished and row.output is not None
    }
    texts = {
        "batch.html": _page(folder, rows, facts, pictures),
        "batch.csv": _table(folder, rows),
        "batch.json": json.dumps(
            {**facts, "scenes": [_facts(folder, row) for row in rows]}, indent=1, default=str
        )
        + "\n",
    }
    for name, text in texts.items():
        write_atomically(folder / name, text.encode())
    return [folder / name for name in texts]


def _facts(folder: Path, row: SceneRow) -> dict[str, Any]:
    """All that is known of a scene but what its own record says of the run."""
    return {
        "name": row.name,
        "status": row.status,
        "error": row.error,
        "warnings": list(row.warnings),
        "output": _relative(folder, row),
        **{key: row.record[key] for key in _BESIDE if key in row.record},
    }


def _relative(folder: Path, row: SceneRow) -> str:
    """Path of the output from the folder on; empty where it does not stand."""
    if row.output is None or not row.finished:
        return ""
    return Path(os.path.relpath(row.output, folder)).as_posix()


def _table(folder: Path, rows: Sequence[SceneRow]) -> str:
    """Comma-separated text, a row per scene; what is unknown is empty."""
    written = [_cells(folder, row) for row in rows]
    columns = dict.fromkeys(column for cells in written for column in cells)
    file = io.StringIO()
    writer = csv.DictWriter(file, list(columns), lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows(written)
    return file.getvalue()


def _cells(folder: Path, row: SceneRow) -> dict[str, Any]:
    record = row.record
    counts = record.get("classes", {})
    total = sum(counts.values())
    return {
        "name": row.name,
        "status": row.status,
        "error": row.error,
        "map": _relative(folder, row),
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


def _page(
    folder: Path,
    rows: Sequence[SceneRow],
    facts: Mapping[str, Any],
    pictures: Mapping[str, Thumbnail | None],
) -> str:
    finished = [row for row in rows if row.finished]
    counts: Counter[str] = Counter()
    for row in finished:
        counts.update(row.record.get("classes", {}))
    names = [name for name, _ in counts.most_common()]
    places = {name: i for i, name in enumerate(names)}
    times = Counter[str](row.status for row in rows)
    page = {
        "facts": _told(facts),
        "cards": _cards(finished, times),
        "colors": _colors(finished, names),
        "legend": mix(counts, places),
        "failed": [row for row in rows if row.status == "failed"],
        "waiting": [row.name for row in rows if row.status == "not run"],
        "scenes": [
            _scene(folder, row, pictures.get(row.name))
            | {"mix": mix(row.record.get("classes", {}), places)}
            for row in finished
        ],
        "version": __version__,
    }
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = files("georaster_dl.batch").joinpath("batch.html").read_text("utf-8")
    return environment.from_string(template).render(page)


def _told(facts: Mapping[str, Any]) -> list[str]:
    told = [str(facts[key]) for key in ("model", "started") if facts.get(key)]
    return told + ([duration(facts["seconds"])] if "seconds" in facts else [])


def _cards(finished: Sequence[SceneRow], times: Mapping[str, int]) -> list[tuple[str, str, str]]:
    """The headline: label, figure, and what it means."""
    pixels = sum(row.record.get("pixels", 0) for row in finished)
    valid = sum(row.record.get("valid_pixels", 0) for row in finished)
    share = valid / pixels if pixels else float("nan")
    return [
        ("Done", number(times["done"]), "scenes in this run"),
        ("Skipped", number(times["skipped"]), "done by an earlier run"),
        ("Failed", number(times["failed"]), "reasons below" if times["failed"] else ""),
        ("Not run", number(times["not run"]), "the batch ended before" if times["not run"] else ""),
        ("Pixels", f"{pixels / 1e6:,.4g} M", f"{percent(share)} % with data"),
    ]


def _colors(finished: Sequence[SceneRow], names: Sequence[str]) -> list[str]:
    """CSS colours of the classes, as the first map that can be read has them."""
    known: dict[str, tuple[int, int, int]] = {}
    for row in finished:
        if row.output is not None and row.output.is_file():
            try:
                known = {entry.name: entry.color for entry in stated_classes(row.output)}
            except SceneError:
                continue
            break
    spare = palette(len(names))
    return ["#{:02x}{:02x}{:02x}".format(*known.get(n, spare[i])) for i, n in enumerate(names)]


def _scene(folder: Path, row: SceneRow, picture: Thumbnail | None) -> dict[str, Any]:
    return {
        "name": row.name,
        "skipped": row.status == "skipped",
        "warnings": row.warnings,
        "href": quote(_relative(folder, row)),
        "picture": picture,
        "source": f"{_QUICKLOOKS}/{quote(row.name)}.png",
        "limits": ""
        if picture is None or picture.limits is None
        else "{:.3g} to {:.3g}".format(*picture.limits),
        "values": value_lines(row.record.get("values", {})),
        "pixels": f"{row.record.get('pixels', 0) / 1e6:,.3g} Mpx",
        "valid": percent(row.valid_share),
        "seconds": duration(row.record["seconds"]) if "seconds" in row.record else "",
    }
