"""Stacks of STAC items: dates, masks by assets, item collections and collections."""

import json
from datetime import date

import numpy as np
import pytest

from georaster_dl.core.errors import SceneError
from georaster_dl.core.scene_options import SceneOptions, StackOptions
from georaster_dl.io.stacks.open import open_stack
from georaster_dl.testing import write_raster

TIMES = {
    "a": {"datetime": "2023-06-01T10:30:21Z"},
    "b": {
        "datetime": None,
        "start_datetime": "2023-05-14T00:00:00Z",
        "end_datetime": "2023-05-20T00:00:00Z",
    },
    "c": {"datetime": "2023-07-01T23:30:00-02:00"},
}


@pytest.fixture
def items(tmp_path):
    """Three items of a red and a quality band; the first is cloudy."""
    made = []
    for number, (name, times) in enumerate(TIMES.items(), 1):
        write_raster(tmp_path / f"{name}_red.tif", np.full((1, 8, 10), number * 1000, "uint16"))
        write_raster(
            tmp_path / f"{name}_scl.tif", np.full((1, 8, 10), 9 if name == "a" else 4, "uint8")
        )
        red = {
            "href": f"./{name}_red.tif",
            "eo:bands": [{"name": "red", "common_name": "red", "center_wavelength": 0.665}],
            "raster:bands": [{"scale": 1e-4}],
        }
        scl = {"href": f"./{name}_scl.tif", "roles": ["data"]}
        properties = {"constellation": "sentinel-2", **times}
        made.append(
            {
                "type": "Feature",
                "id": f"item_{name}",
                "properties": properties,
                "assets": {"red": red, "scl": scl},
            }
        )
    return made


def write(path, content):
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize("kind", ["items", "item collection", "collection"])
def test_items_are_dated_and_masked_by_their_assets(tmp_path, items, kind):
    paths = [write(tmp_path / f"{item['id']}.json", item) for item in items]
    links = [
        {"rel": "root", "href": "x.json"},
        *({"rel": "item", "href": f"./{p.name}"} for p in paths),
    ]
    given = {
        "items": paths,
        "item collection": write(
            tmp_path / "found.json", {"type": "FeatureCollection", "features": items}
        ),
        "collection": write(
            tmp_path / "collection.json", {"type": "Collection", "id": "x", "links": links}
        ),
    }[kind]
    stack = open_stack(given, StackOptions(SceneOptions(mask="scl")))
    (sensor,) = stack.sensors
    assert sensor.dates == (date(2023, 5, 14), date(2023, 6, 1), date(2023, 7, 2))  # in UTC
    assert [band.name for band in sensor.bands] == ["B04"]
    (values,) = stack.read()
    assert values[[0, 2], 0, 0, 0] == pytest.approx([0.2, 0.3])
    assert np.isnan(values[1]).all()


def test_a_collection_without_items_and_an_item_without_a_date(tmp_path, items):
    empty = write(tmp_path / "empty.json", {"type": "Catalog", "id": "x", "links": []})
    with pytest.raises(SceneError, match="The STAC catalog .*empty.json links to no item"):
        open_stack(empty)
    del items[0]["properties"]["datetime"]
    with pytest.raises(SceneError, match="item_a.json names no date"):
        open_stack(write(tmp_path / "item_a.json", items[0]))
