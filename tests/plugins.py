"""A plugin folder as small as the rules allow."""

from pathlib import Path

from georaster_dl import __version__

METADATA = f"""[general]
name=GeoRaster DL
description=Stand-in
about=Stand-in for tests.
    It has two lines.
version={__version__}
qgisMinimumVersion=3.22
qgisMaximumVersion=4.99
author=Nobody
email=nobody@example.org
homepage=https://example.org
tracker=https://example.org/issues
repository=https://example.org/code
category=Analysis
hasProcessingProvider=yes
icon=icon.svg
"""


def write_plugin(parent: Path, **entries: str | None) -> Path:
    """Write the folder of a plugin; entries replace lines of its metadata, None removes one."""
    folder = Path(parent) / "georaster_dl_qgis"
    folder.mkdir(parents=True)
    lines = METADATA.splitlines()
    for key, value in entries.items():
        lines = [line for line in lines if not line.startswith(f"{key}=")]
        if value is not None:
            lines.append(f"{key}={value}")
    (folder / "metadata.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "__init__.py").write_text("def classFactory(iface): ...\n")
    (folder / "LICENSE").write_text("free\n")
    (folder / "icon.svg").write_text("<svg/>\n")
    return folder
