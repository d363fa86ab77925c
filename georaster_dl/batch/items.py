"""STAC item collections: every item of one becomes a file of its own, which is a scene."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from georaster_dl.batch.names import file_name
from georaster_dl.errors import SceneError
from georaster_dl.io.stac import absolute_href, load_json
from georaster_dl.io.staging import explain_os_error, write_atomically

__all__ = ["scene_items"]


def scene_items(source: str, folder: Path) -> list[str]:
    """Paths or addresses of the items that a STAC file holds: itself, or those of a collection.

    A collection at an address goes on where its pages do.

    Parameters
    ----------
    source : path or address of a JSON file.
    folder : where the items of a collection are written, each with the addresses of its files made
        absolute; made only then.

    Raises
    ------
    SceneError
        When a file cannot be read, or a collection has no item, or items without a usable ``id``.
    OutputError
        When an item cannot be written.
    """
    first = load_json(source)
    if first.get("type") != "FeatureCollection":
        return [source]
    made: dict[str, str] = {}
    for page, item in _items(source, first):
        text = json.dumps(_with_absolute_addresses(item, page))
        name = f"{file_name(_id(item, page))}.json"
        if made.setdefault(name, text) != text:
            raise SceneError(
                f"{page} holds two different items with the id {item['id']}; give them as collections of "
                f"their own, in batches of their own."
            )
    if not made:
        raise SceneError(f"The STAC item collection {source} is empty; give one that holds items.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise explain_os_error(error, folder) from error
    for name, text in made.items():
        _write(folder / name, text)
    return [str(folder / name) for name in made]


def _items(source: str, page: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Address of a page and an item of it, page by page."""
    seen = {source}
    while True:
        for item in page.get("features") or []:
            yield source, item if isinstance(item, dict) else {}
        following = _next_page(source, page)
        if following is None or following in seen:
            return
        seen.add(following)
        source, page = following, load_json(following)


def _next_page(source: str, page: dict[str, Any]) -> str | None:
    if not source.startswith(("http://", "https://")):
        return None  # who saved a page to a file means that page
    link = next((link for link in page.get("links") or [] if link.get("rel") == "next"), None)
    if link is None:
        return None
    if link.get("method", "GET").upper() != "GET":
        raise SceneError(
            f"The answer of {source} goes on with a {link['method']} request, which an address cannot say; "
            f"save all items to a .json file and give that."
        )
    return urljoin(source, str(link["href"]))


def _id(item: dict[str, Any], page: str) -> str:
    if item.get("type") != "Feature" or not item.get("id") or not _assets(item):
        raise SceneError(
            f"{page} holds something that is no STAC item (a GeoJSON Feature with id and assets); give a "
            f"collection of items."
        )
    return str(item["id"])


def _assets(item: dict[str, Any]) -> dict[str, dict[str, Any]]:
    assets = item.get("assets")
    return assets if isinstance(assets, dict) else {}


def _with_absolute_addresses(item: dict[str, Any], page: str) -> dict[str, Any]:
    assets = {
        key: {**asset, "href": absolute_href(str(asset["href"]), page)}
        for key, asset in _assets(item).items()
        if "href" in asset
    }
    return {**item, "assets": assets}


def _write(path: Path, text: str) -> None:
    """Leave a file that holds the text already alone: someone may be reading it."""
    content = text.encode()
    if not path.is_file() or path.read_bytes() != content:
        write_atomically(path, content)
