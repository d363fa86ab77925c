"""ENVI rasters by their header: users name it, GDAL wants the file with the pixels."""

from __future__ import annotations

from pathlib import Path

__all__ = ["envi_data"]

_ENDINGS = ("", ".img", ".dat", ".bin", ".bsq", ".bil", ".bip", ".raw")


def envi_data(header: Path) -> str | None:
    """Return the data file of an ENVI header; None where the path is not a header."""
    if header.suffix.lower() != ".hdr" or not header.is_file():
        return None
    with header.open("rb") as file:
        if file.read(4) != b"ENVI":
            return None
    stem = header.absolute().with_suffix("")
    candidates = [stem.with_name(f"{stem.name}{ending}") for ending in _ENDINGS]
    return next((str(data) for data in candidates if data.is_file()), None)
