"""Identity of a run, and the record beside its outputs."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from georaster_dl import __version__
from georaster_dl.io.files.json_files import read_json
from georaster_dl.io.files.layer_path import file_of
from georaster_dl.io.scenes.scene import Scene, source_files
from georaster_dl.models.package.card import Card
from georaster_dl.predict.options import RunOptions, Summary

__all__ = ["NOT_OF_THE_RESULT", "identity", "is_recorded", "read_record", "record_text"]

# What a viewer puts beside a raster and changes at will.
_BESIDE = (".aux.xml", ".ovr")
NOT_OF_THE_RESULT = ("overwrite", "record", "journal")
"""Options that decide where and how something is made, and not what."""
_MOST_BYTES = 16 * 2**20
_IN_ARCHIVE = re.compile(r"/vsi(?:zip|tar)/(.+?\.(?:zip|tar|tgz|tar\.gz))(?:/|$)", re.IGNORECASE)


def identity(
    scene: Scene, cards: Sequence[Card], options: RunOptions, outputs: Sequence[Path]
) -> dict[str, Any]:
    """Collect all that the outputs of a run depend on, for JSON.

    An input is identified by name, size and time of change, as its pixels would take as long to read
    as to map; a model by its whole card, the digest of its weights included.
    """
    given = {
        field.name: getattr(options, field.name)
        for field in fields(options)
        if field.name not in NOT_OF_THE_RESULT
    }
    return {
        "georaster_dl": __version__,
        "model": _model(cards[0]),
        **({"members": [_model(card) for card in cards[1:]]} if cards[1:] else {}),
        "input": [_file(path) for path in source_files(scene) if not path.endswith(_BESIDE)],
        **({"reading": scene.memory.settings} if scene.memory and scene.memory.settings else {}),
        "parameters": json.loads(json.dumps(given, default=_plain)),
        "aoi": None if options.aoi is None else _file(file_of(options.aoi)),
        "outputs": [path.name for path in outputs],
    }


def _model(card: Card) -> dict[str, str]:
    return {
        "name": card.name,
        "version": card.version,
        "card_sha256": _digest(card),
        "weights_sha256": card.weights_sha256,
    }


def _digest(card: Card) -> str:
    return hashlib.sha256(card.model_dump_json().encode()).hexdigest()


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else asdict(value)


def _file(path: Path | str) -> dict[str, Any]:
    """Describe a file by name, size and time of change; a remote file by its address."""
    archive = _IN_ARCHIVE.match(str(path))
    try:
        found = Path(archive[1] if archive else path).stat()
    except OSError:
        return {"name": str(path)}
    return {"name": Path(path).name, "bytes": found.st_size, "changed_ns": found.st_mtime_ns}


def record_text(facts: Mapping[str, Any], summary: Summary, staged: Sequence[Path]) -> str:
    """Format the record of a finished run: its identity, files and findings."""
    found = summary.findings
    record = {
        "run": facts,
        "files": [{"name": path.name, "bytes": path.stat().st_size} for path in staged],
        "pixels": summary.pixels,
        "valid_pixels": found.pixels,
        "place": summary.place,
        **({} if summary.novelty is None else {"novelty": round(summary.novelty, 4)}),
        "classes": found.counts,
        "values": {name: asdict(values) for name, values in found.values.items()},
        "seconds": round(summary.seconds, 3),
        "device": summary.device,
        "failed": [{"name": one.path.name, "reason": one.reason} for one in summary.failed],
    }
    return json.dumps(record, indent=1) + "\n"


class _Part(BaseModel):
    model_config = ConfigDict(strict=True)


class _File(_Part):
    """A file beside the record: a plain name, which leads nowhere else."""

    name: Annotated[str, Field(pattern=r"^[^/\\:\x00]+$")]
    bytes: Annotated[int, Field(ge=0)]

    @field_validator("name")
    @classmethod
    def _lies_beside(cls, name: str) -> str:
        if name in (".", ".."):
            raise ValueError("is no name of a file")
        return name


class _SceneOptions(_Part):
    bands: list[str] | None = None
    nodata: float | None = None


class _Parameters(_Part):
    scene: _SceneOptions = _SceneOptions()


class _Run(_Part):
    parameters: _Parameters = _Parameters()


class _Values(_Part):
    mean: float
    min: float
    max: float


class _Record(_Part):
    """Validated part of a record, which may come from a stranger."""

    run: _Run
    files: Annotated[list[_File], Field(max_length=64)]
    pixels: Annotated[int, Field(ge=0)] = 0
    valid_pixels: Annotated[int, Field(ge=0)] = 0
    classes: dict[str, Annotated[int, Field(ge=0)]] = {}
    values: dict[str, _Values] = {}
    novelty: Annotated[float, Field(ge=0, le=1)] | None = None
    seconds: float = 0.0
    device: str = ""


def read_record(path: Path) -> dict[str, Any] | None:
    """Read a record; None where there is none that a run can have written."""
    try:
        record = read_json(path, most=_MOST_BYTES)
        _Record.model_validate(record)
    except (OSError, ValueError):
        return None
    return dict(record)


def is_recorded(path: Path, facts: Mapping[str, Any]) -> bool:
    """Check that a record is of this very run, nothing failed, and all files still exist."""
    record = read_record(path)
    if record is None or record["run"] != facts or record.get("failed"):
        return False
    files = [(path.with_name(file["name"]), file["bytes"]) for file in record["files"]]
    return all(file.is_file() and file.stat().st_size == size for file, size in files)
