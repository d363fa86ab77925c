"""The plugin as a zip for QGIS's plugin repository, checked against its rules before it is written."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

from georaster_dl.core.errors import PluginError
from georaster_dl.io.output.staging import Staging
from georaster_dl.qgis.plugin import SKIPPED, parse_metadata

__all__ = ["broken_rules", "package_plugin", "plugin_files"]

_MOST_BYTES = 25 * 2**20
_NEEDED_FILES = ("__init__.py", "metadata.txt", "LICENSE")
_NEEDED_KEYS = ("name", "description", "version", "qgisMinimumVersion", "author", "email", "about",
                "tracker", "repository", "homepage")  # fmt: skip
_ADDRESSES = ("tracker", "repository", "homepage")
_CATEGORIES = ("Analysis", "Database", "Mesh", "Plugins", "Raster", "Vector", "Web")
_PROGRAMS = {".bat", ".cmd", ".com", ".dll", ".dylib", ".exe", ".ps1", ".pyd", ".sh", ".so"}
_PROGRAM_STARTS = (b"\x7fELF", b"MZ", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe")
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the zip format's own


def package_plugin(folder: Path, output: Path, version: str, *, overwrite: bool) -> list[str]:
    """Write the plugin's folder as a zip; the same files always give the same zip.

    Parameters
    ----------
    folder : the plugin.
    output : the zip.
    version : that the plugin must have: the package's own.
    overwrite : whether an existing zip may be replaced.

    Returns
    -------
    list of str
        Names in the zip.

    Raises
    ------
    PluginError
        When rules are broken; all are named, and nothing is written.
    OutputError
        When the zip cannot be written.
    """
    files = plugin_files(folder)
    packed = _zipped(files)
    broken = broken_rules(files, version)
    if len(packed) > _MOST_BYTES:
        broken.append(
            f"the zip has {len(packed) / 2**20:.1f} MiB, and {_MOST_BYTES >> 20} are allowed"
        )
    if broken:
        raise PluginError(
            f"{folder} breaks {len(broken)} of the plugin repository's rules, and nothing was written: "
            + "; ".join(broken)
            + ". Mend the folder and run this again."
        )
    with Staging(output, overwrite=overwrite, protect=[folder / "metadata.txt"]) as stage:
        stage.path(output).write_bytes(packed)
    return list(files)


def plugin_files(folder: Path) -> dict[str, bytes]:
    """Content of every file that would be packed, by its name in the zip, sorted.

    Raises
    ------
    PluginError
        When a link leads out of the folder, or a file cannot be read.
    """
    files = {}
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if path.is_dir() or any(fnmatch(part, p) for part in relative.parts for p in SKIPPED):
            continue
        if not path.resolve().is_relative_to(folder.resolve()):
            raise PluginError(f"{path} is a link out of the plugin; put the file itself there.")
        try:
            files[(folder.name / relative).as_posix()] = path.read_bytes()
        except OSError as error:
            raise PluginError(f"{path} cannot be read ({error.strerror}).") from error
    return files


def broken_rules(files: Mapping[str, bytes], version: str) -> list[str]:
    """Rules of the plugin repository that these files of a zip break, each in a few words.

    Parameters
    ----------
    files : content by name in the zip.
    version : that the metadata must state.
    """
    tops = sorted({name.partition("/")[0] for name in files})
    if len(tops) != 1:
        return [f"one folder must hold all files, but there are {', '.join(tops) or 'no files'}"]
    top = tops[0]
    broken = [] if top.isidentifier() else [f"the folder's name {top!r} is no Python identifier"]
    missing = [name for name in _NEEDED_FILES if f"{top}/{name}" not in files]
    broken += [f"{name} is missing" for name in missing]
    for name, content in files.items():
        broken += _broken_by_file(name, content)
    if "metadata.txt" not in missing:
        broken += _broken_by_metadata(files, top, version)
    return broken


def _broken_by_file(name: str, content: bytes) -> Iterator[str]:
    parts = PurePosixPath(name).parts
    if ".." in parts or "\\" in name or name.startswith("/"):
        yield f"{name} leads out of the folder"
    elif any(part.startswith(".") for part in parts):
        yield f"{name} is hidden"
    if "__pycache__" in parts or "__MACOSX" in parts or name.endswith((".pyc", ".pyo")):
        yield f"{name} is a by-product, not a source"
    if PurePosixPath(name).suffix.lower() in _PROGRAMS or content.startswith(_PROGRAM_STARTS):
        yield f"{name} is a program or a library"


def _broken_by_metadata(files: Mapping[str, bytes], top: str, version: str) -> list[str]:
    try:
        entries = parse_metadata(files[f"{top}/metadata.txt"].decode("utf-8"))
    except (PluginError, UnicodeDecodeError) as error:
        return [str(error).rstrip(".")]
    broken = [f"metadata.txt lacks {key}" for key in _NEEDED_KEYS if not entries.get(key)]
    broken += [
        f"{key} is no web address: {entries[key]}"
        for key in _ADDRESSES
        if entries.get(key) and not entries[key].startswith(("https://", "http://"))
    ]
    if "@" not in (entries.get("email") or "@"):
        broken.append(f"email is no address: {entries['email']}")
    if entries.get("version", version) != version:
        broken.append(f"the plugin's version is {entries['version']}, the package's {version}")
    icon = entries.get("icon")
    if icon is not None and f"{top}/{icon}" not in files:
        broken.append(f"the icon {icon} is missing")
    if entries.get("category", _CATEGORIES[0]) not in _CATEGORIES:
        broken.append(f"category {entries['category']} is none of {', '.join(_CATEGORIES)}")
    if entries.get("hasProcessingProvider") != "yes":
        broken.append("hasProcessingProvider must be yes, or qgis_process does not see the plugin")
    return broken + _broken_by_qgis_versions(entries)


def _broken_by_qgis_versions(entries: Mapping[str, str]) -> list[str]:
    numbers = {}
    for key in ("qgisMinimumVersion", "qgisMaximumVersion"):
        text = entries.get(key)
        if not text:
            continue
        try:
            numbers[key] = tuple(int(part) for part in text.split("."))
        except ValueError:
            return [f"{key} must be a number like 3.22, not {text}"]
    least, most = numbers.get("qgisMinimumVersion"), numbers.get("qgisMaximumVersion")
    if least and most and most < least:
        return ["qgisMaximumVersion is below qgisMinimumVersion"]
    return []


def _zipped(files: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in sorted(files.items()):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.create_system = 3  # Unix, on whatever system this runs
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED, 9)
    return packed.getvalue()
