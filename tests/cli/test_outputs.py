"""Files beside a map, as ``geodl segment`` and ``geodl batch`` make them of the bundled model."""

import json

import numpy as np
import pytest
import rasterio

from georaster_dl.models.package.file import builtin_models, read_card
from georaster_dl.predict.outputs.kinds import EXTRA_OUTPUTS
from georaster_dl.testing import noise, write_scene

BANDS = ("B02", "B03", "B04", "B08")


def _kinds():
    """Outputs of the bundled model."""
    card = read_card(builtin_models()["s2-landcover"])
    known = card.novelty is not None
    kinds = [kind for kind in EXTRA_OUTPUTS.values() if known or not kind.needs_novelty]
    kinds = [
        kind
        for kind in kinds
        if not (kind.needs_domain or kind.needs_boundaries or kind.needs_gate)
    ]
    return [kind for kind in kinds if card.calibration.scores or kind.name != "sets"]


@pytest.mark.slow
def test_a_batch_makes_what_a_single_map_has(geodl, tmp_path):
    scene = write_scene(tmp_path / "s2.tif", noise((60, 70), 4), bands=BANDS)
    other = write_scene(tmp_path / "other.tif", noise((60, 70), 4), bands=None)
    kinds = _kinds()
    single, files = [], [kind for kind in kinds if kind.suffix != ".tif"]
    for kind in kinds:
        single += [f"--{kind.name}"] + ([f"m{kind.suffix}"] if kind in files else [])
    ended = geodl("segment", *single, scene, "-o", "map.tif")
    assert ended.code == 0, ended.err
    assert "no model named: using s2-landcover" in ended.err

    ended = geodl("batch", scene, other, *(f"--{kind.name}" for kind in kinds), "-d", "maps")
    assert ended.code == 3, ended.err
    assert ended.err.count("no model named: using s2-landcover") == 1
    report = json.loads((tmp_path / "maps" / "batch.json").read_text())
    assert {row["name"]: row["status"] for row in report["scenes"]} == {
        "s2": "done",
        "other": "failed",
    }
    assert "s2-landcover" in next(row["error"] for row in report["scenes"] if row["error"])
    for kind in kinds:
        made = kind.beside(tmp_path / "maps" / "s2_landcover.tif")
        assert made.is_file()
        if kind in files:
            assert (tmp_path / f"m{kind.suffix}").is_file()
            continue
        with rasterio.open(made) as dataset, rasterio.open(f"map_{kind.name}.tif") as alone:
            np.testing.assert_array_equal(dataset.read(), alone.read())
            assert dataset.tags()["GEORASTER_DL_CONTENT"] == kind.name
    # What the next run does not make is removed, and the map keeps its style.
    assert geodl("batch", scene, "-d", "maps").code == 0
    beside = {path.name for path in (tmp_path / "maps").glob("s2_landcover*")}
    assert beside == {f"s2_landcover.{end}" for end in ("tif", "tif.aux.xml", "qml", "json")}


def test_what_a_batch_does_not_go_with(refused):
    assert "--uncertainty is of maps" in refused(
        "batch", "s.tif", "-d", "maps", "-m", "s2-landcover", "--features", "--uncertainty"
    )
    assert "--features needs a model" in refused("batch", "s.tif", "-d", "maps", "--features")
