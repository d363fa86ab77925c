"""The bundled models on the sample scenes, which they have not seen in training or selection."""

from pathlib import Path

import numpy as np
import pytest
import rasterio

from georaster_dl.core.events import ModelChosen
from georaster_dl.core.scene_options import SceneOptions
from georaster_dl.models.package.file import find_model, read_card
from georaster_dl.predict.options import Outputs, SegmentOptions
from georaster_dl.predict.segment import segment

SAMPLES = Path(__file__).parents[1] / "sample_tiles"
DEMONSTRATION, SENTINEL2 = find_model("landcover-sample"), find_model("s2-landcover")
BOTH = pytest.mark.parametrize("model", [DEMONSTRATION, SENTINEL2], ids=lambda m: m.stem)

# Values of the sample scenes' truth in those of s2-landcover, which knows no roads.
SAME = {1: 6, 2: 1, 3: 2, 4: 3, 5: 5, 6: 4, 7: 4}


@pytest.fixture(scope="module")
def mapped(tmp_path_factory):
    """Class map of a sample scene as an array, made once for each set of options."""
    made = {}

    def make(model, name, **options):
        key = (model, name, *sorted(options.items()))
        if key not in made:
            out = tmp_path_factory.mktemp("map") / "map.tif"
            segment(SAMPLES / f"{name}.tif", model, Outputs(out), SegmentOptions(**options))
            with rasterio.open(out) as dataset:
                made[key] = dataset.read(1)
        return made[key]

    return make


def truth_of(name, values=None):
    with rasterio.open(SAMPLES / f"{name}_truth.tif") as dataset:
        truth = dataset.read(1)
    lookup = np.arange(256)
    for value, same in (values or {}).items():
        lookup[value] = same
    return lookup[truth]


def mean_iou(predicted, truth):
    seen = truth != 255
    ious = []
    for value in np.unique(truth[seen]):
        a, b = (predicted == value) & seen, (truth == value) & seen
        ious.append((a & b).sum() / (a | b).sum())
    return float(np.mean(ious))


@pytest.mark.parametrize("name", ["s2_west", "s2_east"])
def test_the_map_of_a_scene_it_has_not_seen_is_right(mapped, name):
    predicted = mapped(DEMONSTRATION, name, halo="exact", precision="fp32")
    assert mean_iou(predicted, truth_of(name)) >= 0.85
    with rasterio.open(SAMPLES / f"{name}.tif") as dataset:
        invalid = (dataset.read() == 0).any(0)
    assert np.array_equal(predicted == 255, invalid)


@pytest.mark.parametrize("name", ["s2_west", "s2_east"])
def test_the_sentinel2_model_maps_simulated_scenes_too(mapped, name):
    # Simulated fields are a small part of what it learnt from, and not what it is for.
    assert mean_iou(mapped(SENTINEL2, name), truth_of(name, SAME)) >= 0.5


def test_with_four_bands_the_sentinel2_model_loses_little(mapped):
    few = SceneOptions(bands=("B02", "B03", "B04", "B08"))
    truth = truth_of("s2_east", SAME)
    right = [
        (predicted == truth)[truth != 255].mean()
        for predicted in (
            mapped(SENTINEL2, "s2_east"),
            mapped(SENTINEL2, "s2_east", scene=few),
        )
    ]
    assert right[1] >= right[0] - 0.1


def test_the_sentinel2_model_is_taken_unasked(tmp_path):
    told = []
    summary = segment(
        SAMPLES / "s2_east.tif",
        None,
        Outputs(tmp_path / "map.tif"),
        report=told.append,
    )
    assert summary.model == SENTINEL2
    assert isinstance(told[0], ModelChosen)
    assert all("accuracy" in name for name in told[0].metrics)
    assert [band.name for band in summary.card.bands] == [
        band.name for band in read_card(SENTINEL2).bands if band.name not in ("B01", "B09")
    ]


@BOTH
def test_bf16_changes_under_five_in_a_thousand(mapped, model):
    exact = mapped(model, "s2_west", halo="exact", precision="fp32")
    rounded = mapped(model, "s2_west", halo="exact", precision="bf16")
    assert 0 < (exact != rounded).mean() < 0.005


@BOTH
def test_the_default_halo_changes_under_one_in_a_thousand(mapped, model):
    untiled = mapped(model, "s2_west", halo="exact", precision="fp32")
    tiled = mapped(model, "s2_west", tile=256, precision="fp32")
    valid = untiled != 255
    assert 0 < (untiled != tiled)[valid].mean() < 0.001


@pytest.mark.slow
@BOTH
def test_the_exact_halo_changes_nothing_but_ties(mapped, model):
    untiled = mapped(model, "s2_west", halo="exact", precision="fp32")
    tiled = mapped(model, "s2_west", halo="exact", tile=256, precision="fp32")
    assert (untiled != tiled).mean() < 1e-5


def test_the_demonstration_says_so_and_is_small():
    assert "simulated" in read_card(DEMONSTRATION).limitations
    assert DEMONSTRATION.stat().st_size < 5e6


def test_the_card_of_the_sentinel2_model_says_how_far_to_trust_it():
    card = read_card(SENTINEL2)
    assert SENTINEL2.stat().st_size < 8e6
    assert card.required_bands == (("B03",), ("B04",), ("B08", "B8A"))
    assert len(card.bands) == 12
    assert "snow and ice" in {entry.name for entry in card.classes}
    assert {"accuracy places held out, L1C", "balanced accuracy places held out, Africa"} <= set(
        card.metrics
    )
    for teacher in ("Dynamic World (Apache-2.0", "ukis-csmask (Apache-2.0"):
        assert teacher in card.training["labels of world"]
    for name in ("Ireland", "Slovenia", "Tokyo", "WorldCereal"):
        assert any(metric.startswith(f"accuracy {name}") for metric in card.metrics)
        assert name in card.training
    assert card.calibration.ece is not None
