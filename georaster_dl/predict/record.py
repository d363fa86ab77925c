"""What a run depends on, and the record that stands beside its outputs."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from georaster_dl import __version__
from georaster_dl.io.layer_path import file_of
from georaster_dl.io.scene import Scene, source_files
from georaster_dl.models.card import Card
from georaster_dl.predict.options import RunOptions, Summary

__all__ = ["NOT_OF_THE_RESULT", "identity", "is_recorded", "read_record", "record_text"]

# What a viewer puts beside a raster and changes at will.
_BESIDE = (".aux.xml", ".ovr")
NOT_OF_THE_RESULT = ("overwrite", "record", "journal")
"""Options that decide where and how something is made, and not what."""
_IN_ARCHIVE = re.compile(r"/vsi(?:zip|tar)/(.+?\.(?:zip|tar|tgz|tar\.gz))(?:/|$)", re.IGNORECASE)


def identity(
    scene: Scene, card: Card, options: RunOptions, outputs: Sequence[Path]
) -> dict[str, Any]:
    """All that the outputs of a run depend on, as JSON can hold it.

    An input is told by name, size and time of change, as its pixels would take as long to read as
    to map; a model by all that its package says, the digest of its weights included.
    """
    given = {
        field.name: getattr(options, field.name)
        for field in fields(options)
        if field.name not in NOT_OF_THE_RESULT
    }
    return {
        "georaster_dl": __version__,
        "model": {
            "name": card.name,
            "version": card.version,
            "card_sha256": _digest(card),
            "weights_sha256": card.weights_sha256,
        },
        "input": [_file(path) for path in source_files(scene) if not path.endswith(_BESIDE)],
        "parameters": json.loads(json.dumps(given, default=_plain)),
        "aoi": None if options.aoi is None else _file(file_of(options.aoi)),
        "outputs": [path.name for path in outputs],
    }


def _digest(card: Card) -> str:
    return hashlib.sha256(card.model_dump_json().encode()).hexdigest()


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else asdict(value)


def _file(path: Path | str) -> dict[str, Any]:
    """Of a remote file only the address is known without asking for it."""
    archive = _IN_ARCHIVE.match(str(path))
    try:
        found = Path(archive[1] if archive else path).stat()
    except OSError:
        return {"name": str(path)}
    return {"name": Path(path).name, "bytes": found.st_size, "changed_ns": found.st_mtime_ns}


def record_text(facts: Mapping[str, Any], summary: Summary, staged: Sequence[Path]) -> str:
    """The record of a finished run: its identity, its files, and what they hold."""
    found = summary.findings
    record = {
        "run": facts,
        "files": [{"name": path.name, "bytes": path.stat().st_size} for path in staged],
        "pixels": summary.pixels,
        "valid_pixels": found.pixels,
        "place": summary.place,
        "classes": found.counts,
        "values": {name: asdict(values) for name, values in found.values.items()},
        "seconds": round(summary.seconds, 3),
        "device": summary.device,
        "failed": [{"name": one.path.name, "reason": one.reason} for one in summary.failed],
    }
    return json.dumps(record, indent=1) + "\n"


def read_record(path: Path) -> dict[str, Any] | None:
    """A record, None where there is none that can be read."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return dict(record) if {"run", "files"} <= set(record) else None
    except (OSError, ValueError, TypeError):
        return None


def is_recorded(path: Path, facts: Mapping[str, Any]) -> bool:
    """Whether a record says that just this was run, nothing failed, and all files are still there."""
    record = read_record(path)
    if record is None or record["run"] != facts or record.get("failed"):
        return False
    files = [(path.with_name(file["name"]), file["bytes"]) for file in record["files"]]
    return all(file.is_file() and file.stat().st_size == size for file, size in files)
