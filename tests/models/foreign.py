"""The network of docs/networks.md, as an installed package on a path."""

import re
from pathlib import Path

NAME = "two_scales"
MODULE = "somebodys_networks"
PAGE = Path(__file__).parents[2] / "docs" / "networks.md"
SOURCE = re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)[1]


def install(folder, source=SOURCE):
    """Write the package with its metadata: a folder on the path that holds both is an installation."""
    (folder / f"{MODULE}.py").write_text(source, encoding="utf-8")
    metadata = folder / f"{MODULE}-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {MODULE}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[georaster_dl.models]\n{MODULE} = {MODULE}\n")
    return folder
