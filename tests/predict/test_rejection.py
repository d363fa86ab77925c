"""Maps whose least certain pixels are a class of their own."""

import json
import xml.etree.ElementTree as ET

import geopandas
import numpy as np
import pytest
import rasterio

from georaster_dl.core.errors import OptionError
from georaster_dl.core.legend import Legend, MapClass
from georaster_dl.models.package.calibration import QUANTILES, Calibration
from georaster_dl.models.package.values import Target
from georaster_dl.predict.options import Outputs, SegmentOptions
from georaster_dl.predict.outputs.rejection import Rejection
from georaster_dl.predict.segment import segment
from georaster_dl.render.palette import _oklab
from georaster_dl.testing import COLORS, noise, small_card, write_model, write_scene

UNIFORM = tuple(np.linspace(0.25, 1, QUANTILES).round(6).tolist())
"""Quantiles by which 0.6 of the pixels have a confidence of 0.55 or more."""
MEASURED = Calibration(temperature=1.5, pixels=500, scores=UNIFORM, confidence=UNIFORM)


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rejection")
    write_scene(folder / "scene.tif", noise())
    return folder


def mapped(here, name, calibration=MEASURED, calibrations=None, **options):
    """Map the scene; the map's path, and its summary."""
    model = write_model(
        here / "model.safetensors", calibration=calibration, calibrations=calibrations or {}
    )
    out = here / f"{name}.tif"
    extras = {kind: here / f"{name}_{kind}" for kind in ("probabilities", "polygons", "quicklook")}
    suffixes = {"probabilities": ".tif", "polygons": ".gpkg", "quicklook": ".png"}
    files = {kind: path.with_suffix(suffixes[kind]) for kind, path in extras.items()}
    summary = segment(
        (str(here / "scene.tif"),),
        model,
        Outputs(out, **files),
        SegmentOptions(float32=True, overwrite=True, **options),
    )
    return out, summary


def pixels(path):
    with rasterio.open(path) as dataset:
        return dataset.read()


def test_pixels_below_the_threshold_are_a_class_and_the_others_stay(here):
    plain, _ = mapped(here, "plain")
    out, summary = mapped(here, "rejecting", reject=0.6)
    confidence = pixels(here / "rejecting_probabilities.tif").max(axis=0)
    before, after = pixels(plain)[0], pixels(out)[0]
    uncertain = confidence < 0.55
    assert 0.05 < uncertain[before != 255].mean() < 0.95
    assert (before == 255).any()
    assert np.array_equal(after, np.where((before != 255) & uncertain, 5, before))
    rejected = summary.findings.rejected
    assert (rejected.name, rejected.pixels, rejected.coverage, rejected.threshold) == (
        "uncertain", int((after == 5).sum()), 0.6, 0.55
    )  # fmt: skip
    assert summary.findings.counts["uncertain"] == rejected.pixels
    assert summary.findings.pixels == int((before != 255).sum())


def test_the_class_is_in_every_file_that_names_classes(here):
    out, _ = mapped(here, "rejecting", reject=0.6)
    with rasterio.open(out) as dataset:
        tags = dataset.tags()
        color = dataset.colormap(1)[5]
    assert tags["GEORASTER_DL_REJECTED"] == "value=5 coverage=0.6 threshold=0.55"
    assert json.loads(tags["CLASS_NAMES"])["5"] == "uncertain"
    entries = {e.get("value"): e for e in ET.parse(out.with_suffix(".qml")).iter("paletteEntry")}
    assert entries["5"].get("label") == "uncertain"
    assert entries["5"].get("color") == "#{:02x}{:02x}{:02x}".format(*color[:3])
    names = set(
        geopandas.read_file(here / "rejecting_polygons.gpkg", layer="rejecting_polygons")[
            "class_name"
        ]
    )
    assert {"uncertain", "class 0"} <= names
    assert (here / "rejecting_quicklook.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    "options", [{"predictor": "tta", "symmetries": "flip"}, {"predictor": "single"}]
)
def test_the_threshold_is_that_of_the_predictor(here, options):
    gains = Calibration(
        temperature=0.8, gain=(1, 3, 0.2, 1), offset=(0, -2, 1, 0), pixels=9, confidence=UNIFORM
    )
    out, _ = mapped(here, "of_predictor", gains, {"tta": gains}, reject=0.6, **options)
    shares = pixels(here / "of_predictor_probabilities.tif")
    expected = np.where(shares.max(axis=0) < 0.55, 5, shares.argmax(axis=0) + 1)
    assert np.array_equal(pixels(out)[0], np.where(np.isnan(shares[0]), 255, expected))


@pytest.mark.parametrize(
    ("card", "options", "message"),
    [
        ({"calibration": MEASURED}, {"reject": 1.0}, "lies between 0 and 1, such as 0.9, but is 1"),
        ({}, {"reject": 0.9}, r"does not hold.*`calibrate\(predictor='single'\)`"),
        ({"calibration": MEASURED}, {"reject": 0.9, "predictor": "tta"}, r"probabilities of tta on ground.*`calibrate\(predictor='tta'\)`"),
        ({"calibration": MEASURED}, {"reject": 0.9, "members": ("other",)}, "rests on quantiles in the card of one"),
        ({"targets": [Target(name="height", unit="m", mean=0, std=1)]}, {"reject": 0.9}, "no classes that could be"),
    ],
)  # fmt: skip
def test_what_cannot_be_rejected_is_said(card, options, message):
    with pytest.raises(OptionError, match=message):
        Rejection.of(small_card(**card), SegmentOptions(**options))


def test_a_model_without_quantiles_is_refused_before_anything_is_made(here):
    with pytest.raises(OptionError, match="rests on quantiles"):
        mapped(here, "refused", Calibration(), reject=0.9)
    assert not list(here.glob("refused*"))


def legend_with(*entries):
    classes = tuple(
        MapClass(value, name, tuple(bytes.fromhex(COLORS[i % len(COLORS)][1:])))
        for i, (value, name) in enumerate(entries)
    )
    card = small_card(classes=classes, calibration=MEASURED)
    return Rejection.of(card, SegmentOptions(reject=0.5)).legend


def test_name_value_and_colour_are_those_of_no_class():
    assert legend_with((1, "a"), (7, "b")).values == [1, 7, 8]
    assert legend_with((0, "a"), (254, "b"), (253, "c")).values == [0, 254, 253, 252]
    full = legend_with(*((i, f"class {i}") for i in range(255)))
    assert (full.values[-1], full.dtype, full.nodata) == (255, "uint16", 65535)
    assert legend_with((1, "Uncertain"), (2, "b")).names[-1] == "uncertain 2"
    assert isinstance(legend_with((1, "a")), Legend)
    greys = (0x40, 0x60, 0x80, 0x8C, 0xA0, 0xC0)
    classes = tuple(MapClass(i, f"grey {i}", (grey, grey, grey)) for i, grey in enumerate(greys))
    card = small_card(classes=classes, calibration=MEASURED)
    colors = [e.color for e in Rejection.of(card, SegmentOptions(reject=0.5)).legend.classes]
    seen = _oklab(np.array(colors, float))
    assert np.linalg.norm(seen[:-1] - seen[-1], axis=1).min() >= 0.07
