"""A run tells how unlike the model's training a scene is, and writes it as a map."""

import json

import numpy as np
import pytest
import rasterio
from shapely.geometry import box

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Warned
from georaster_dl.models.novelty.detector import Detector
from georaster_dl.models.novelty.fit import fit_novelty
from georaster_dl.models.package.values import Target
from georaster_dl.predict.options import Outputs, SegmentOptions
from georaster_dl.predict.segment import segment
from georaster_dl.testing import noise, write_model, write_scene
from tests.maps import write_vector
from tests.models.test_novelty import NAMES, SNOW, place

SHAPE = (200, 180)


@pytest.fixture(scope="module")
def statistics():
    return fit_novelty(NAMES, [place(i) for i in range(12)], [place(100 + i) for i in range(20)])


@pytest.fixture(scope="module")
def model(statistics, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    return write_model(path, bands=NAMES, novelty=statistics)


def scene_of(path, change=lambda values: values):
    values = change(place(7, SHAPE[0] * SHAPE[1]))
    stored = (values.T.reshape(6, *SHAPE) * 1e4).clip(1, 60_000).astype(np.uint16)
    stored[:, :50, :40] = 0
    return write_scene(path, stored, bands=NAMES)


def mapped(scene, model, out, *, extras=("novelty",), **options):
    events = []
    outputs = Outputs(out, **{name: out.with_name(f"{out.stem}_{name}.tif") for name in extras})
    summary = segment(
        [scene], model, outputs, SegmentOptions(device="cpu", **options), events.append
    )
    return summary, [e.message for e in events if isinstance(e, Warned)]


def read(path):
    with rasterio.open(path) as dataset:
        return dataset.read(), dataset.tags()


def test_an_ordinary_scene_is_mapped_without_a_word(model, tmp_path):
    summary, warnings = mapped(scene_of(tmp_path / "s.tif"), model, tmp_path / "m.tif", extras=())
    assert not warnings
    assert summary.novelty < 0.05
    assert float(read(tmp_path / "m.tif")[1]["GEORASTER_DL_NOVELTY_SHARE"]) < 0.05


def test_snow_is_warned_of_and_stands_in_tags_and_record(model, tmp_path):
    def half_snow(values):
        values[: len(values) // 2] = SNOW
        return values

    scene = scene_of(tmp_path / "s.tif", half_snow)
    record = tmp_path / "m.json"
    summary, (warning,) = mapped(scene, model, tmp_path / "m.tif", record=record)
    assert warning.startswith(
        f"{100 * summary.novelty:.0f} % of the scene's pixels are unlike all that test-model"
    )
    assert "snow or ice" in warning
    assert 0.4 < summary.novelty < 0.6
    assert json.loads(record.read_text())["novelty"] == pytest.approx(summary.novelty, abs=1e-4)
    for name in ("m.tif", "m_novelty.tif"):
        tags = read(tmp_path / name)[1]
        assert float(tags["GEORASTER_DL_NOVELTY_SHARE"]) == pytest.approx(summary.novelty, abs=1e-4)


def test_an_offset_left_in_is_told(model, tmp_path):
    scene = scene_of(tmp_path / "s.tif", lambda values: values + 0.1)
    _, warnings = mapped(scene, model, tmp_path / "m.tif", extras=())
    # By the check of Sentinel-2's calibration or, where it sees nothing dark, by the model's statistics.
    assert len(warnings) == 1
    assert "offset" in warnings[0]


def test_the_map_is_the_distance_over_the_threshold(statistics, model, tmp_path):
    scene = scene_of(tmp_path / "s.tif", lambda values: values * 1.5)
    mapped(scene, model, tmp_path / "m.tif", extras=("novelty", "confidence"))
    novelty, _ = read(tmp_path / "m_novelty.tif")
    stored, _ = read(scene)
    assert novelty.shape == (1, *SHAPE)
    assert novelty.dtype == np.float32
    assert np.isnan(novelty[0, :50, :40]).all()
    expected = Detector.of(statistics, NAMES).novelty(stored[:, 60:].reshape(6, -1).T * 1e-4)
    assert np.allclose(novelty[0, 60:].ravel(), expected, rtol=1e-3)
    assert (tmp_path / "m_novelty.qml").is_file()


@pytest.mark.slow
def test_tiles_and_a_journal_change_neither_novelty_nor_map(model, tmp_path):
    scene = scene_of(tmp_path / "s.tif", lambda values: values * 1.5)
    names = ("novelty", "probabilities")
    mapped(scene, model, tmp_path / "whole.tif", extras=names, halo="exact")
    mapped(scene, model, tmp_path / "tiled.tif", extras=names, halo="exact", tile=128)
    mapped(
        scene,
        model,
        tmp_path / "kept.tif",
        extras=names,
        halo="exact",
        tile=128,
        journal=tmp_path / "j",
    )
    mapped(scene, model, tmp_path / "plain.tif", extras=names[1:], halo="exact")
    for other in ("tiled", "kept"):
        whole, tiled = (read(tmp_path / f"{name}_novelty.tif")[0] for name in ("whole", other))
        assert np.allclose(whole, tiled, rtol=1e-5, equal_nan=True)
    for end in ("", "_probabilities"):
        beside, alone = (read(tmp_path / f"{name}{end}.tif")[0] for name in ("whole", "plain"))
        assert np.array_equal(beside, alone)


def test_a_quantity_has_a_novelty_too(statistics, tmp_path):
    model = write_model(
        tmp_path / "q.safetensors",
        bands=NAMES,
        n_classes=1,
        targets=[Target("height", "m", mean=5.0, std=2.0)],
        novelty=statistics,
    )
    scene = scene_of(tmp_path / "s.tif")
    mapped(scene, model, tmp_path / "m.tif")
    mapped(scene, model, tmp_path / "alone.tif", extras=())
    assert np.array_equal(
        read(tmp_path / "m.tif")[0], read(tmp_path / "alone.tif")[0], equal_nan=True
    )
    assert np.nanmedian(read(tmp_path / "m_novelty.tif")[0]) < 1


def test_only_the_area_of_interest_is_judged(model, tmp_path):

    def half_snow(values):
        values[len(values) // 2 :] = SNOW
        return values

    scene = scene_of(tmp_path / "s.tif", half_snow)
    with rasterio.open(scene) as dataset:
        left, _, right, top = dataset.bounds
    aoi = write_vector(tmp_path / "aoi.gpkg", [box(left, top - 900, right, top)], {"id": [1]})
    summary, warnings = mapped(scene, model, tmp_path / "m.tif", extras=(), aoi=aoi)
    assert not warnings
    assert summary.novelty < 0.05


def test_a_package_without_statistics_maps_as_ever_but_has_no_novelty(tmp_path):
    model = write_model(tmp_path / "old.safetensors")
    scene = write_scene(tmp_path / "s.tif", noise())
    with pytest.raises(
        OptionError, match=r"test-model does not hold the statistics .* train it again"
    ):
        mapped(scene, model, tmp_path / "m.tif")
    summary, warnings = mapped(scene, model, tmp_path / "m.tif", extras=())
    assert not warnings
    assert summary.novelty is None
    assert "GEORASTER_DL_NOVELTY_SHARE" not in read(tmp_path / "m.tif")[1]
