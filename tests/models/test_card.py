import json
import math
import re
import subprocess
import sys

import pytest

from georaster_dl.core.bands import Band
from georaster_dl.core.errors import ModelPackageError, OptionError
from georaster_dl.models.package.card import FORMAT, Card
from georaster_dl.models.package.values import InputBand


def test_card_survives_json(make_card):
    card = make_card()
    assert Card.from_json(card.to_json()) == card


def test_card_tells_bands_and_legend(make_card):
    card = make_card()
    assert card.bands[0] == InputBand("B1", 550.0, 20.0, mean=0.1, std=0.05)
    assert card.legend.values == [10, 20, 30]
    assert card.legend.classes[0].color == (1, 255, 1)


def _band(**changes):
    return [{"name": "B1", "mean": 0.0, "std": 1.0} | changes]


def _class(**changes):
    return [{"value": 1, "name": "water", "color": "#0000ff"} | changes]


HOSTILE = [
    ({"name": "../../etc/passwd"}, "name", "pattern"),
    ({"name": "a/b"}, "name", "pattern"),
    ({"name": "a\n"}, "name", "pattern"),
    ({"name": "x" * 65}, "name", "{0,63}"),
    ({"version": ""}, "version", "at least 1"),
    ({"description": "\x1b[2J"}, "description", "U+001B"),
    ({"description": "left\u202eright"}, "description", "U+202E"),
    ({"description": "x" * 4001}, "description", "4000"),
    ({"limitations": "two\nlines"}, "limitations", "U+000A"),
    ({"stride": 10**9}, "stride", "512"),
    ({"stride": 0}, "stride", "1"),
    ({"halo": {"default": 10**6}}, "halo.default", "4096"),
    ({"halo": {"default": 33}}, "halo.default", "multiple of stride"),
    ({"halo": {"default": 0, "exact": 40}}, "halo.exact", "multiple of stride"),
    ({"halo": {"default": 32, "blend": 33}}, "halo", "exceed default, 32"),
    ({"halo": {"default": 32, "changed": 1.5}}, "halo.changed", "1"),
    ({"bands": []}, "bands", "at least 1"),
    ({"bands": _band() * 2049}, "bands", "2048"),
    ({"bands": _band() * 2}, "bands", "distinct"),
    ({"bands": _band(std=math.nan)}, "bands.0.std", "finite"),
    ({"bands": _band(std=0)}, "bands.0.std", "greater than 0"),
    ({"bands": _band(mean=math.inf)}, "bands.0.mean", "finite"),
    ({"bands": _band(name="x" * 65)}, "bands.0.name", "64"),
    ({"classes": []}, "classes", "needs classes"),
    ({"classes": _class() * 1025}, "classes", "1024"),
    ({"classes": _class() * 2}, "classes", "distinct"),
    ({"classes": _class(value=70000)}, "classes.0.value", "65534"),
    ({"classes": _class(color="red")}, "classes.0.color", "#"),
    ({"architecture": {"name": "unet", "encoder": "tu-hf-hub:evil/model"}}, "encoder", "pattern"),
    ({"architecture": {"name": "unet", "encoder": "../weights"}}, "encoder", "pattern"),
    ({"architecture": {"name": "unet", "options": {"n": 10**9}}}, "options.n", "4096"),
    ({"architecture": {"name": "unet", "options": {"n": [1] * 65}}}, "options.n", "64"),
    ({"architecture": {"name": "unet", "options": {"n": [[1]]}}}, "options.n", "whole numbers"),
    ({"architecture": {"name": "unet", "options": {"n": {"a": 1}}}}, "options.n", "whole number"),
    ({"architecture": {"name": "unet", "options": {"n": math.nan}}}, "options.n", "number"),
    ({"architecture": {"name": "unet", "options": {"__class__": 1}}}, "options", "pattern"),
    ({"calibration": {"temperature": 0}}, "calibration.temperature", "0.01"),
    ({"cost": {"macs_per_pixel": math.inf, "bytes_per_pixel": 1}}, "cost.macs_per_pixel", "finite"),
    ({"metrics": {"iou": math.nan}}, "metrics.iou", "finite"),
    ({"training": {"data": "x" * 501}}, "training.data", "500"),
    ({"resolution_m": [20, 10]}, "resolution_m", "finest, coarsest"),
    ({"resolution_m": [0, 10]}, "resolution_m.0", "greater than 0"),
    ({"weights_sha256": "abc"}, "weights_sha256", "pattern"),
    ({"task": "mining"}, "task", "segmentation"),
    ({"surprise": 1}, "surprise", "not permitted"),
]


@pytest.mark.parametrize(("change", "field", "limit"), HOSTILE)
def test_hostile_values_are_refused_in_one_line(fields, change, field, limit):
    with pytest.raises(ModelPackageError) as raised:
        Card(**fields(**change))
    message = str(raised.value)
    assert field in message
    assert limit in message
    assert message.isprintable()
    assert len(message) < 1200


def test_missing_fields_are_named():
    with pytest.raises(ModelPackageError, match=r"name: Field required; .*and 4 more"):
        Card.from_json("{}")


@pytest.mark.parametrize(
    "text", ["", "[]", "null", "{", "[" * 100_000, '{"format":' + "9" * 5000 + "}", b"\xff\xfe"]
)
def test_what_is_no_card_is_refused(text):
    with pytest.raises(ModelPackageError, match="damaged"):
        Card.from_json(text)


def test_newer_format_asks_for_an_upgrade(fields):
    newer = fields(format=FORMAT + 1, invented_later={"a": 1})
    with pytest.raises(ModelPackageError, match="written by a newer georaster_dl: upgrade"):
        Card.from_json(json.dumps(newer))


def test_oversized_card_is_refused_before_it_is_parsed():
    with pytest.raises(ModelPackageError, match="at most"):
        Card.from_json("x" * (4 * 2**20 + 1))


def test_cards_and_names_need_no_torch():
    code = (
        "import sys, georaster_dl.models.package.card, georaster_dl.models.package.file as p, georaster_dl.models.registry as r;"
        "p.builtin_models(); r.list_models(); r.describe_model('unet');"
        "sys.exit([m for m in ('torch', 'timm', 'rasterio') if m in sys.modules] != [])"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


OPTIONAL = {"name": "spectral_unet", "options": {"optional_bands": True}}


def test_bands_that_may_be_absent(fields):
    card = Card(**fields(architecture=OPTIONAL, required_bands=[["B1"], ["B2", "B3"]]))
    assert Card.from_json(card.to_json()) == card
    assert card.required_bands_text == "B1, B2 or B3"
    assert card.optional_bands
    plain = Card(**fields())
    assert (plain.required_bands, plain.required_bands_text, plain.optional_bands) == (
        (),
        "",
        False,
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"required_bands": [["B1"]]}, "architecture.options.optional_bands must be true"),
        ({"required_bands": [["B1", "B9"]], "architecture": OPTIONAL}, "required_bands names 'B9'"),
        ({"required_bands": [[]], "architecture": OPTIONAL}, "required_bands.0"),
        ({"required_bands": [["B1"]] * 65, "architecture": OPTIONAL}, "64"),
        ({"required_bands": [["B1"] * 2049], "architecture": OPTIONAL}, "2048"),
        ({"required_bands": [["B\n1"]], "architecture": OPTIONAL}, "U+000A"),
    ],
)
def test_impossible_required_bands_are_refused(fields, change, words):
    with pytest.raises(ModelPackageError) as raised:
        Card(**fields(**change))
    assert words in str(raised.value)


TARGET = {"name": "height", "unit": "m", "mean": 20.0, "std": 8.0}


def test_regression_card(fields):
    card = Card(**fields(task="regression", classes=[], targets=[TARGET]))
    assert Card.from_json(card.to_json()) == card
    assert card.outputs == 1
    assert card.targets[0].label == "height (m)"
    with pytest.raises(OptionError, match="has no classes: it predicts height"):
        _ = card.legend
    assert Card(**fields()).outputs == 3


def test_card_of_one_target_as_it_was_written_before(fields):
    """There was one target then, and null stood for none."""
    described = fields(task="regression", classes=[], target=TARGET)
    assert Card.from_fields(described).targets[0].label == "height (m)"
    assert Card.from_fields(fields(target=None)) == Card(**fields())


def test_card_of_several_targets_and_their_spreads(fields):
    second = {"name": "fat", "mean": 2.0, "std": 0.5}
    card = Card(**fields(task="regression", classes=[], targets=[TARGET, second]))
    assert card.outputs == 2
    assert card.predicts == "height (m), fat, quantities"
    ensemble = {"name": "ensemble", "options": {"member": "cnn1d", "members": 3}}
    many = Card(
        **fields(task="regression", classes=[], targets=[TARGET, second], architecture=ensemble)
    )
    assert many.outputs == 4
    assert many.value_planes[3] == ("fat, spread", 0.0, 0.5)


def test_autoencoder_card(fields):
    card = Card(**fields(task="autoencoder", classes=[]))
    assert Card.from_json(card.to_json()) == card
    assert card.outputs == 3
    with pytest.raises(OptionError, match="has no classes: it predicts the scene's own bands"):
        _ = card.legend


@pytest.mark.parametrize(
    ("change", "limit"),
    [
        ({"task": "regression"}, "needs a target and has no classes"),
        ({"task": "regression", "targets": [TARGET]}, "needs a target and has no classes"),
        ({"task": "regression", "classes": []}, "needs a target and has no classes"),
        ({"targets": [TARGET]}, "needs classes and has no target"),
        ({"task": "autoencoder"}, "has no target and has no classes"),
        (
            {"task": "autoencoder", "classes": [], "targets": [TARGET]},
            "has no target and has no classes",
        ),
        (
            {
                "task": "autoencoder",
                "classes": [],
                "architecture": {"name": "spectral_unet", "options": {"optional_bands": True}},
            },
            "none can be optional",
        ),
        ({"task": "regression", "classes": [], "targets": [TARGET | {"std": 0}]}, "targets.0.std"),
        ({"task": "regression", "classes": [], "targets": [TARGET | {"unit": "m\n"}]}, "U+000A"),
        ({"configuration": {str(i): "" for i in range(257)}}, "256"),
        ({"configuration": {"a": "b" * 501}}, "500"),
    ],
)
def test_classes_or_a_target(fields, change, limit):
    with pytest.raises(ModelPackageError, match=re.escape(limit)):
        Card(**fields(**change))


BEFORE = """
{"format":1,"name":"grain","version":"1","description":"","task":"segmentation",
"architecture":{"name":"spectral_unet","encoder":null,"options":{"optional_bands":true}},
"bands":[{"name":"B03","wavelength_nm":560.0,"fwhm_nm":null,"mean":0.1,"std":0.05},
{"name":"B04","wavelength_nm":665.0,"fwhm_nm":31.0,"mean":0.1,"std":0.05}],
"needs":[["B03"]],"quantity":"reflectance","resolution_m":[10.0,20.0],
"classes":[{"value":1,"name":"water","color":"#0000FF"},{"value":2,"name":"land","color":"#00ff00"}],
"treatment":{"steps":"snv","bands":2,"learnt":[{}]},"stride":8,
"halo":{"default":16,"exact":null,"changed":null,"blend":0},
"cost":{"macs_per_pixel":100.0,"bytes_per_pixel":10.0},"licence":"","training":{},"configuration":{},
"metrics":{},"calibration":{"temperature":1.0,"ece":null},"caution":"Not for snow.","weights_sha256":""}
"""


def test_cards_of_format_1_had_other_names_for_some_fields():
    card = Card.from_json(BEFORE)
    assert card.required_bands == (("B03",),)
    assert card.preprocessing.steps == "snv"
    assert card.limitations == "Not for snow."
    assert card.legend.classes[0].color == (0, 0, 255)
    again = json.loads(card.to_json())
    assert again["format"] == FORMAT == 8
    assert {"needs", "treatment", "caution"}.isdisjoint(again)
    assert Card.from_json(card.to_json()) == card
    both = json.loads(BEFORE) | {"limitations": ""}
    with pytest.raises(ModelPackageError, match="caution = Not for snow"):
        Card.from_fields(both)


def test_value_objects_are_limited_when_a_card_takes_them(fields):
    with pytest.raises(ModelPackageError, match=r"bands\.0\.std = 0"):
        Card(**fields(bands=[InputBand("B1", mean=0.0, std=0.0)]))
    with pytest.raises(ModelPackageError, match=r"bands\.0\.surprise.*not permitted"):
        Card(**fields(bands=_band(surprise=1)))
    with pytest.raises(ModelPackageError, match=r"classes\.0\.color\.1"):
        Card(**fields(classes=_class(color=[0, 256, 0])))


def test_each_predictor_has_a_calibration_of_its_own_or_that_of_one_pass(fields):
    made = Card(
        **fields(
            calibration={"temperature": 2.0},
            calibrations={"mc-dropout": {"temperature": 1.5, "ece": 0.1}},
        )
    )
    assert Card.from_json(made.to_json()) == made
    assert made.calibration_of("mc-dropout").temperature == 1.5
    assert made.calibration_of("tta") == made.calibration_of("single") == made.calibration
    with pytest.raises(ModelPackageError, match="calibrations"):
        Card(**fields(calibrations={"guess": {"temperature": 1.5}}))


def test_modality_unit_and_size_of_a_band_travel_with_the_card(fields):
    band = Band("ndsm", modality="lidar", unit="m", gsd_m=0.5)
    card = Card(**fields(bands=[InputBand.of(band, 3.0, 2.0), *fields()["bands"][1:]]))
    [first, *others] = Card.from_json(card.to_json()).bands
    assert (first.modality, first.unit, first.gsd_m) == ("lidar", "m", 0.5)
    assert {(b.modality, b.unit, b.gsd_m) for b in others} == {("", "", None)}
    with pytest.raises(ModelPackageError, match="gsd_m"):
        Card(**fields(bands=[InputBand.of(Band("b", gsd_m=-1.0), 0, 1)]))
