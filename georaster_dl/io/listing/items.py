"""STAC item collections: every item of one becomes a file of its own, which is a scene."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from georaster_dl.core.disk import explain_os_error
from georaster_dl.core.errors import SceneError
from georaster_dl.io.files.atomic import write_atomically
from georaster_dl.io.files.json_files import is_address
from georaster_dl.io.files.scene_names import file_name
from georaster_dl.io.files.temporary import make_folder
from georaster_dl.io.formats.stac import absolute_href, load_json

__all__ = ["scene_items"]

_MOST_PAGES = 2000
_MOST_CHARACTERS = 1 << 30


def scene_items(source: str, folder: Path) -> list[str]:
    """Paths or addresses of the items that a STAC file holds: itself, or those of a collection or item collection.

    An item collection at an address goes on where its pages do.

    Parameters
    ----------
    source : path or address of a JSON file.
    folder : where those of an item collection are written, each with the addresses of its files made
        absolute; made only then.

    Raises
    ------
    SceneError
        When a file cannot be read, or a collection has no item, or items without a usable ``id``.
    OutputError
        When an item cannot be written.
    """
    first = load_json(source)
    if first.get("type") in ("Collection", "Catalog"):
        return _linked(source, first)
    if first.get("type") != "FeatureCollection":
        return [source]
    made: dict[str, str] = {}
    size = 0
    for page, item in _items(source, first):
        text = json.dumps(_with_absolute_addresses(item, page))
        size += len(text)
        if size > _MOST_CHARACTERS:
            raise SceneError(
                f"The STAC item collection {source} has more than {_MOST_CHARACTERS >> 20} MiB; ask for fewer "
                f"items, for example by place and time."
            )
        name = f"{file_name(_id(item, page))}.json"
        if made.setdefault(name, text) != text:
            raise SceneError(
                f"{page} holds two different items with the id {item['id']}; give them as collections of "
                f"their own, in batches of their own."
            )
    if not made:
        raise SceneError(f"The STAC item collection {source} is empty; give one that holds items.")
    try:
        for own in (folder.parent, folder):
            make_folder(own)
    except OSError as error:
        raise explain_os_error(error, folder) from error
    for name, text in made.items():
        _write(folder / name, text)
    return [str(folder / name) for name in made]


def _linked(source: str, collection: dict[str, Any]) -> list[str]:
    """Addresses of the items that a collection links to, each once."""
    hrefs = [
        absolute_href(str(link["href"]), source)
        for link in _listed(collection, "links")
        if link.get("rel") == "item" and link.get("href")
    ]
    if not hrefs:
        raise SceneError(
            f"The STAC {collection['type'].lower()} {source} links to no item; give one that does, or save the answer of a "
            f"search to a .json file and give that."
        )
    return list(dict.fromkeys(hrefs))


def _items(source: str, page: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Address of a page and an item of it, page by page."""
    seen = {source}
    while True:
        for item in _listed(page, "features"):
            yield source, item
        following = _next_page(source, page)
        if following is None or following in seen:
            return
        seen.add(following)
        if len(seen) > _MOST_PAGES:
            raise SceneError(
                f"The answers of {source} go on without end (more than {_MOST_PAGES} pages); save the items "
                f"that are meant to a .json file and give that."
            )
        source, page = following, load_json(following)


def _listed(page: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """List the objects of a key; other entries count as empty objects."""
    entries = page.get(key)
    if not isinstance(entries, list):
        return []
    return [entry if isinstance(entry, dict) else {} for entry in entries]


def _next_page(source: str, page: dict[str, Any]) -> str | None:
    if not is_address(source):
        return None  # who saved a page to a file means that page
    link = next((link for link in _listed(page, "links") if link.get("rel") == "next"), None)
    if link is None:
        return None
    method, href = str(link.get("method") or "GET"), str(link.get("href") or "")
    if method.upper() != "GET":
        raise SceneError(
            f"The answer of {source} goes on with a {method} request, which an address cannot say; "
            f"save all items to a .json file and give that."
        )
    following = absolute_href(href, source)
    if not is_address(following):
        raise SceneError(
            f"The answer of {source} goes on at {href}, which is no http(s) address; save all items to a "
            f".json file and give that."
        )
    return following


def _id(item: dict[str, Any], page: str) -> str:
    if item.get("type") != "Feature" or not item.get("id") or not _assets(item):
        raise SceneError(
            f"{page} holds something that is no STAC item (a GeoJSON Feature with id and assets); give a "
            f"collection of items."
        )
    return str(item["id"])


def _assets(item: dict[str, Any]) -> dict[str, dict[str, Any]]:
    assets = item.get("assets")
    found = assets.items() if isinstance(assets, dict) else ()
    return {key: asset for key, asset in found if isinstance(asset, dict)}


def _with_absolute_addresses(item: dict[str, Any], page: str) -> dict[str, Any]:
    assets = {
        key: {**asset, "href": absolute_href(asset["href"], page)}
        for key, asset in _assets(item).items()
        if isinstance(asset.get("href"), str)
    }
    return {**item, "assets": assets}


def _write(path: Path, text: str) -> None:
    """Write a file, unless it already holds the text: it may be in use."""
    content = text.encode()
    if not path.is_file() or path.read_bytes() != content:
        write_atomically(path, content)
