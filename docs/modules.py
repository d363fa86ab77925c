"""Writes docs/modules.md: every module with the first line of its docstring.

    python docs/modules.py

A test holds that the page is current.
"""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "modules.md"
_PACKAGES = ("georaster_dl", "cli", "georaster_dl_qgis")
_HEAD = "# Modules\n\nMade by `python docs/modules.py` from the docstrings; change those.\n"


def main() -> None:
    PAGE.write_text(page(), encoding="utf-8")


def page() -> str:
    """The page: a section a folder, a line a module."""
    folders = sorted(
        {path.parent for package in _PACKAGES for path in (ROOT / package).rglob("__init__.py")}
    )
    return _HEAD + "".join(_section(folder) for folder in folders)


def _section(folder: Path) -> str:
    modules = sorted(path for path in folder.glob("*.py") if path.name != "__init__.py")
    lines = "".join(f"- `{path.name}`: {_summary(path)}\n" for path in modules)
    head = f"\n## {folder.relative_to(ROOT).as_posix()}\n\n{_summary(folder / '__init__.py')}\n"
    return head + (f"\n{lines}" if lines else "")


def _summary(path: Path) -> str:
    document = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(document.partition("\n\n")[0].split())


if __name__ == "__main__":
    main()
