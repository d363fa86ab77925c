"""Rasters of the classes that a pixel may be."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest
import rasterio
import torch

import georaster_dl as gdl
from georaster_dl.core.errors import OptionError
from georaster_dl.evaluation.metrics.prediction_sets import prediction_sets
from georaster_dl.models.package.calibration import QUANTILES, Calibration
from georaster_dl.models.package.values import Target
from georaster_dl.predict.options import SegmentOptions
from georaster_dl.predict.outputs.kinds import EXTRA_OUTPUTS
from georaster_dl.testing import noise, small_card, write_model, write_scene

SCORES = tuple(np.linspace(0, 1, QUANTILES).round(6).tolist())
MEASURED = Calibration(temperature=1.5, pixels=500, scores=SCORES, confidence=SCORES)


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sets")
    write_scene(folder / "scene.tif", noise())
    calibrations = {"tta": MEASURED}
    write_model(folder / "model.safetensors", calibration=MEASURED, calibrations=calibrations)
    return folder


def mapped(here, name, **options):
    """Map the scene with the sets; the file of these."""
    out = here / f"{name}.tif"
    gdl.segment(
        here / "scene.tif", here / "model.safetensors", out=out, probabilities=True, float32=True, overwrite=True,
        **options,
    )  # fmt: skip
    return out.with_name(f"{name}_sets.tif")


@pytest.mark.parametrize(
    ("options", "level"),
    [
        ({"sets": True}, 0.9),
        ({"sets": 0.6}, 0.6),
        ({"sets": True, "level": 0.05}, 0.05),
        ({"sets": 0.7, "predictor": "tta", "symmetries": "flip"}, 0.7),
    ],
)
def test_sets_are_those_of_the_probabilities(here, options, level):
    with rasterio.open(mapped(here, "map", **options)) as dataset:
        sets, names, tags = dataset.read(), dataset.descriptions, dataset.tags()
        assert (dataset.dtypes[0], dataset.nodata) == ("uint8", 255)
    with rasterio.open(here / "map_probabilities.tif") as dataset:
        shares = dataset.read()
    with rasterio.open(here / "map.tif") as dataset:
        classes = dataset.read(1)
    valid = classes != 255
    assert names == ("class 0", "class 1", "class 2", "class 3", "size")
    assert tags["GEORASTER_DL_SETS"] == f"level={level} score={level}"
    assert (sets[:, ~valid] == 255).all()
    assert (~valid).any()
    expected = prediction_sets(shares[:, valid].T.astype(np.float64), level)
    differ = (expected != sets[:-1, valid].T).any(axis=1)
    near = (abs(1 - shares[:, valid] - level) < 1e-6).any(axis=0)
    assert not (differ & ~near).any()
    assert np.array_equal(sets[-1, valid], sets[:-1, valid].sum(axis=0))
    # Also where no score is small enough, the mapped class is a member.
    members = sets[:-1, valid]
    assert (members[classes[valid] - 1, np.arange(members.shape[1])] == 1).all()
    assert len(np.unique(sets[-1, valid])) > (1 if level > 0.1 else 0)


def test_the_number_of_classes_is_shown_with_names(here):
    root = ET.parse(mapped(here, "shown", sets=True).with_suffix(".qml")).getroot()
    assert root.find(".//rasterrenderer").get("band") == "5"
    entries = [(e.get("value"), e.get("label"), e.get("color")) for e in root.iter("paletteEntry")]
    assert entries[0] == ("1", "1 class", "#440154")
    assert entries[-1] == ("4", "4 classes", "#fde725")
    assert [label for _, label, _ in entries] == ["1 class", "2 classes", "3 classes", "4 classes"]


def test_a_path_is_a_path_and_memory_has_the_same(here):
    mapped(here, "named", sets=here / "elsewhere.tif", level=0.6)
    assert not (here / "named_sets.tif").exists()
    with rasterio.open(here / "elsewhere.tif") as dataset:
        stored = dataset.read()
    model = gdl.load_model(here / "model.safetensors")
    made = model.predict(here / "scene.tif", "sets", level=0.6)
    assert np.array_equal(made.array, stored)
    assert [band.name for band in made.bands][-1] == "size"


def test_more_classes_than_a_byte_has_numbers():
    kind = EXTRA_OUTPUTS["sets"]
    for n_classes, dtype in ((254, "uint8"), (255, "uint16")):
        shares = torch.full((n_classes, 1, 1), 1 / n_classes)
        spec = kind.spec(small_card(n_classes=n_classes), SegmentOptions())
        made = kind.render(shares, largest_score=1.0).numpy()
        assert made.dtype == spec.dtype == dtype
        assert made[-1, 0, 0] == n_classes < spec.nodata


@pytest.mark.parametrize(
    ("fields", "options", "message"),
    [
        ({}, {"sets": True}, r"does not hold.*`calibrate\(predictor='single'\)`"),
        ({"calibration": MEASURED}, {"sets": 1.5}, "lies between 0 and 1, such as 0.9, but is 1.5"),
        ({"calibration": MEASURED}, {"sets": True, "predictor": "tta"}, "probabilities of tta on ground kept"),
        ({"targets": [Target(name="height", unit="m", mean=0, std=1)], "n_classes": 1}, {"sets": True},
         "has nothing for `sets=...`"),
    ],
)  # fmt: skip
def test_what_a_card_cannot_tell_is_refused_before_the_run(here, fields, options, message):
    model = write_model(here / "other.safetensors", **fields)
    with pytest.raises(OptionError, match=message):
        gdl.segment(here / "scene.tif", model, out=here / "refused.tif", **options)
    assert not list(here.glob("refused*"))
