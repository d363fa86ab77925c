"""Pages of the notebooks: their text, code, and outputs as they were saved."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "notebooks"


def pages() -> dict[str, str]:
    """Markdown of each page by the name of its notebook."""
    return {path.stem: page(path) for path in sorted(FOLDER.glob("*.ipynb"))}


def page(path: Path) -> str:
    """Markdown of a notebook; what it wrote to standard error is left out."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return "\n\n".join(part for cell in cells for part in _parts(cell)) + "\n"


def _parts(cell: dict[str, Any]) -> Iterator[str]:
    source = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        yield source
        return
    yield _block("python", source)
    for output in cell["outputs"]:
        data = output.get("data", {})
        if "text/html" in data:
            yield f'<div class="output">\n{"".join(data["text/html"])}\n</div>'
        elif "image/png" in data:
            drawn = "".join(data["image/png"]).replace("\n", "")
            yield f'<div class="output"><img alt="" src="data:image/png;base64,{drawn}"></div>'
        elif output.get("name") != "stderr":
            yield _block("text", "".join(data.get("text/plain", output.get("text", ""))))


def _block(language: str, text: str) -> str:
    return f"```{language}\n{text.rstrip()}\n```"
