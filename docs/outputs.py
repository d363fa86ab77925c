"""Writes the lists of outputs that are made of the table in the library.

    python docs/outputs.py

These are the table in README.md and the list that the QGIS plugin reads, whose Python cannot import
the library. A test holds both.
"""

from __future__ import annotations

import json
from pathlib import Path

from georaster_dl.predict.outputs.kinds import EXTRA_OUTPUTS, ExtraRaster, OutputKind, Words

ROOT = Path(__file__).parents[1]
README, PLUGIN = ROOT / "README.md", ROOT / "georaster_dl_qgis" / "algorithms" / "outputs.json"
_BEGIN, _END = "| option | file |\n|---|---|\n", "| `--aoi"


def main() -> None:
    README.write_text(readme(), encoding="utf-8")
    PLUGIN.write_text(plugin(), encoding="utf-8")


def plugin() -> str:
    """The list that the QGIS plugin reads."""
    keys = ("name", "title", "help", "suffix")
    rows = [
        {**{key: getattr(kind, key) for key in keys}, "choices": _words(kind)}
        for kind in EXTRA_OUTPUTS.values()
    ]
    return json.dumps(rows, indent=1) + "\n"


def _words(kind: OutputKind) -> list[str]:
    return list(kind.argument.settings) if isinstance(kind.argument, Words) else []


def readme() -> str:
    """README.md with a row for each output."""
    before, _, rest = README.read_text(encoding="utf-8").partition(_BEGIN)
    rows = "".join(f"{_row(kind)}\n" for kind in EXTRA_OUTPUTS.values())
    return before + _BEGIN + rows + rest[rest.index(_END) :]


def _row(kind: OutputKind) -> str:
    if not isinstance(kind, ExtraRaster):
        return f"| `--{kind.name} map{kind.suffix}` | {kind.help} |"
    option = f"--{kind.name}"
    if kind.argument is not None:
        option += f" [{kind.argument.metavar}]".replace("|", r"\|")
    return f"| `{option}` | `*_{kind.name}{kind.suffix}`, {kind.help} |"


if __name__ == "__main__":
    main()
