"""The bundled model on the sample scenes, which it has not seen in training or selection."""

from pathlib import Path

import numpy as np
import pytest
import rasterio

from georaster_dl.models.package import find_model, read_card
from georaster_dl.predict.options import Outputs, SegmentOptions
from georaster_dl.predict.segment import segment

SAMPLES = Path(__file__).parents[1] / "sample_tiles"
MODEL = find_model("landcover-sample")


@pytest.fixture(scope="module")
def mapped(tmp_path_factory):
    """Class map of a sample scene as an array, made once for each set of options."""
    made = {}

    def make(name, **options):
        key = (name, *sorted(options.items()))
        if key not in made:
            out = tmp_path_factory.mktemp("map") / "map.tif"
            segment(SAMPLES / f"{name}.tif", MODEL, Outputs(out), SegmentOptions(**options))
            with rasterio.open(out) as dataset:
                made[key] = dataset.read(1)
        return made[key]

    return make


def mean_iou(predicted, truth, values):
    seen = truth != 255
    ious = []
    for value in values:
        a, b = (predicted == value) & seen, (truth == value) & seen
        ious.append((a & b).sum() / (a | b).sum())
    return float(np.mean(ious))


@pytest.mark.parametrize("name", ["s2_west", "s2_east"])
def test_the_map_of_a_scene_it_has_not_seen_is_right(mapped, name):
    with rasterio.open(SAMPLES / f"{name}_truth.tif") as dataset:
        truth = dataset.read(1)
    predicted = mapped(name, halo="exact", precision="fp32")
    assert mean_iou(predicted, truth, read_card(MODEL).legend.values) >= 0.85
    with rasterio.open(SAMPLES / f"{name}.tif") as dataset:
        invalid = (dataset.read() == 0).any(0)
    assert np.array_equal(predicted == 255, invalid)


def test_bf16_changes_under_three_in_a_thousand(mapped):
    exact = mapped("s2_west", halo="exact", precision="fp32")
    rounded = mapped("s2_west", halo="exact", precision="bf16")
    assert 0 < (exact != rounded).mean() < 0.003


def test_the_default_halo_changes_under_one_in_a_thousand(mapped):
    untiled = mapped("s2_west", halo="exact", precision="fp32")
    tiled = mapped("s2_west", tile=256, precision="fp32")
    valid = untiled != 255
    assert 0 < (untiled != tiled)[valid].mean() < 0.001


def test_the_exact_halo_changes_nothing_but_ties(mapped):
    untiled = mapped("s2_west", halo="exact", precision="fp32")
    tiled = mapped("s2_west", halo="exact", tile=256, precision="fp32")
    assert (untiled != tiled).mean() < 1e-5


def test_its_card_warns_and_is_small():
    assert "simulated" in read_card(MODEL).caution
    assert MODEL.stat().st_size < 5e6
