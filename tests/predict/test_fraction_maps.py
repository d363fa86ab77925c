"""Maps of fractions: what is in them is what the network says, and every pixel's parts make a whole."""

import xml.etree.ElementTree as ET

import matplotlib.image
import numpy as np
import pytest
import rasterio
import torch
from rio_cogeo import cog_validate

from georaster_dl.api.model import load_model as load
from georaster_dl.core.errors import OptionError
from georaster_dl.core.legend import color_hex
from georaster_dl.io.output.provenance import fraction_bands
from georaster_dl.models.package.card import Architecture
from georaster_dl.models.package.file import load_model, save_model
from georaster_dl.models.package.values import Interval, Target
from georaster_dl.models.registry import create_model
from georaster_dl.predict.options import Outputs, SegmentOptions
from georaster_dl.predict.outputs.kinds import map_subject
from georaster_dl.predict.segment import segment
from georaster_dl.render.colors import mixed_colors
from georaster_dl.render.palette import choose_colors
from georaster_dl.testing import noise, small_card, write_model, write_scene
from tests.maps import read_bands

COVERS = ("tree", "grass", "soil")
TARGETS = tuple(Target(name) for name in COVERS)
WITH_INTERVALS = tuple(
    Target(name, interval=Interval(0.9, 1.5, 0.02 * (i + 1))) for i, name in enumerate(COVERS)
)
SHAPE = (200, 230)
VALID = (noise(SHAPE) != 0).all(axis=0)


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fractions")
    write_scene(folder / "scene.tif", noise(SHAPE))
    write_model(folder / "plain.safetensors", n_classes=3, task="fractions", targets=TARGETS)
    write_model(
        folder / "intervals.safetensors", n_classes=3, task="fractions", targets=WITH_INTERVALS
    )
    _of_architecture(
        folder / "dropout.safetensors",
        "unet",
        encoder="tu-test_resnet",
        encoder_depth=3,
        decoder_channels=[16, 8, 8],
        decoder_dropout=0.3,
    )
    _of_architecture(folder / "several.safetensors", "ensemble", members=3, spread=True)
    return folder


def _of_architecture(path, name, encoder=None, **options):
    options = {**options, "head": "fractions"}
    card = small_card(
        task="fractions",
        targets=WITH_INTERVALS,
        architecture=Architecture(name=name, encoder=encoder, options=options),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        network = create_model(
            name, in_bands=3, n_classes=card.outputs, encoder=encoder or "", **options
        )
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, torch.nn.Conv2d) and layer.out_channels == 3:
                layer.weight *= 20  # else a network of random weights prefers nothing
    save_model(path, card, network.eval())


def mapped(here, name="plain", *extras, out="map.tif", **options):
    path = here / out
    outputs = Outputs.beside(path, dict.fromkeys(extras))
    options = SegmentOptions(overwrite=True, **options)
    return path, segment((str(here / "scene.tif"),), here / f"{name}.safetensors", outputs, options)


def of_network(here):
    """Fractions that the plain network gives of the whole scene."""
    x = np.where(VALID, (noise(SHAPE) * 1e-4 - 0.2) / 0.1, 0).astype("float32")
    x = np.pad(x, ((0, 0), (0, -SHAPE[0] % 8), (0, -SHAPE[1] % 8)))
    with torch.inference_mode():
        planes = load_model(here / "plain.safetensors")[1](torch.from_numpy(x)[None])[0].numpy()
    return planes[:, : SHAPE[0], : SHAPE[1]]


def test_a_map_holds_the_networks_fractions_in_250_steps(here):
    path, _ = mapped(here, halo="exact")
    assert cog_validate(path, strict=True) == (True, [], [])
    with rasterio.open(path) as made:
        assert made.descriptions == COVERS
        assert set(made.dtypes) == {"uint8"}
        assert made.nodata == 255
        assert made.scales == pytest.approx([0.004] * 3)
        assert fraction_bands(made.tags()) == 3
        stored = made.read()
    expected = of_network(here)
    assert (stored[:, ~VALID] == 255).all()
    assert np.abs(stored * 0.004 - expected)[:, VALID].max() <= 0.002 + 1e-4
    assert np.ptp(expected[:, VALID], axis=1).min() > 0.5  # it is no constant
    # As many halves of a step as there are fractions.
    sums = stored[:, VALID].astype(int).sum(axis=0) / 250
    assert np.abs(sums - 1).max() <= 3 / 500
    assert map_subject(load_model(here / "plain.safetensors")[0]) == "fractions"


def test_float32_keeps_the_sum(here):
    path, _ = mapped(here, float32=True, halo="exact")
    with rasterio.open(path) as made:
        assert set(made.dtypes) == {"float32"}
        assert np.isnan(made.nodata)
        assert made.scales == (1, 1, 1)
    fractions = read_bands(path)
    assert np.isnan(fractions[:, ~VALID]).all()
    np.testing.assert_allclose(fractions[:, VALID], of_network(here)[:, VALID], atol=1e-4)
    assert np.abs(fractions[:, VALID].sum(axis=0, dtype=float) - 1).max() < 1e-6


def test_two_tilings_with_the_exact_halo_are_equal(here):
    whole, parts = (
        read_bands(mapped(here, float32=True, halo="exact", tile=tile)[0]) for tile in (232, 136)
    )
    assert np.nanmax(np.abs(whole - parts)) < 1e-5
    whole, parts = (read_bands(mapped(here, halo="exact", tile=tile)[0]) for tile in (232, 136))
    assert (np.abs(whole.astype(int) - parts) <= 1).all()  # where a value is between two steps


def test_the_style_goes_from_0_to_1_whatever_the_map_holds(here):
    path, _ = mapped(here)
    shader = ET.parse(path.with_suffix(".qml")).getroot().find(".//colorrampshader")
    assert (shader.get("minimumValue"), shader.get("maximumValue")) == ("0", "1")


def test_the_summary_has_the_mean_of_each_fraction(here):
    path, summary = mapped(here)
    values = summary.findings.values
    assert list(values) == list(COVERS)
    stored = read_bands(path)[:, VALID] * 0.004
    assert [v.mean for v in values.values()] == pytest.approx(stored.mean(axis=1).tolist())
    assert [v.max for v in values.values()] == pytest.approx(stored.max(axis=1).tolist())
    assert summary.findings.pixels == VALID.sum()
    assert sum(v.mean for v in values.values()) == pytest.approx(1, abs=3 / 500)


def test_half_widths_of_intervals_are_bands_behind_the_fractions(here):
    path, _ = mapped(here, "intervals")
    with rasterio.open(path) as made:
        assert made.count == 6
        assert made.descriptions[3] == "tree, half width of the 90% interval"
        assert fraction_bands(made.tags()) == 3
        halves = made.read()[3:, VALID] * 0.004
    assert np.unique(halves, axis=1).ravel().tolist() == pytest.approx(
        [0.032, 0.06, 0.088], abs=0.003
    )


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("dropout", {"predictor": "mc-dropout", "passes": 4}),
        ("plain", {"predictor": "tta"}),
        ("several", {"predictor": "ensemble"}),
        ("plain", {"members": ("dropout",)}),
    ],
)
def test_several_passes_keep_the_sum_and_tell_their_spread(here, name, options):
    if "members" in options:
        options = {
            "members": tuple(here / f"{member}.safetensors" for member in options["members"])
        }
    path, _ = mapped(here, name, "uncertainty", float32=True, **options)
    fractions = read_bands(path)[:3, VALID]
    assert np.abs(fractions.sum(axis=0, dtype=float) - 1).max() < 1e-6
    with rasterio.open(path.with_name("map_uncertainty.tif")) as made:
        names, measures = made.descriptions, made.read()[:, VALID]
    by_name = dict(zip(names, measures, strict=True))
    np.testing.assert_array_equal(by_name["tree, mean"], fractions[0])
    assert by_name["tree, sd"].mean() > 1e-3
    if name != "plain":
        lower, upper = by_name["soil, lower"], by_name["soil, upper"]
        half = 1.5 * np.hypot(by_name["soil, sd"], 0.06)
        np.testing.assert_allclose(lower, np.clip(fractions[2] - half, 0, 1), atol=1e-6)
        np.testing.assert_allclose(upper, np.clip(fractions[2] + half, 0, 1), atol=1e-6)


def test_one_pass_over_an_ensemble_gives_its_spread_to_the_intervals(here):
    path, _ = mapped(here, "several", float32=True)
    made = read_bands(path)[:, VALID]
    assert np.abs(made[:3].sum(axis=0, dtype=float) - 1).max() < 1e-6
    assert (made[3] >= 1.5 * 0.02 - 1e-6).all()
    assert np.ptp(made[3]) > 0.01


def test_half_precision_is_taken_only_where_it_is_asked_for(here, monkeypatch):
    monkeypatch.setattr(
        "georaster_dl.models.runtime.device._native_dtype", lambda _device: torch.bfloat16
    )
    _, summary = mapped(here, float32=True)
    assert summary.device.endswith("fp32")
    path, summary = mapped(here, float32=True, precision="bf16")
    assert summary.device.endswith("bf16")
    sums = read_bands(path)[:, VALID].sum(axis=0, dtype=float)
    assert np.abs(sums - 1).max() < 1e-6  # the softmax is in float32 all the same


def test_the_prediction_in_memory_is_float32_with_named_bands(here):
    raster = load(here / "plain.safetensors").predict(here / "scene.tif")
    assert [band.name for band in raster.bands] == list(COVERS)
    assert raster.array.dtype == np.float32
    assert raster.legend is None
    written = read_bands(mapped(here, float32=True)[0])
    np.testing.assert_array_equal(raster.array, written)
    assert (raster.valid == VALID).all()


def test_quicklook_shows_pure_pixels_in_the_colour_of_their_fraction(here):
    mapped(here, "plain", "quicklook")
    picture = matplotlib.image.imread(here / "map_quicklook.png")[..., :3]
    for color in choose_colors(COVERS):
        assert (np.abs(picture - np.array(color) / 255).max(-1) < 0.02).any(), color_hex(color)


def test_colours_are_mixed_by_the_fractions():
    fractions = np.array([[[1, 0, 0.25, np.nan]], [[0, 1, 0.75, 0.5]]])
    colors, known = mixed_colors(fractions, [(255, 0, 0), (0, 0, 255)])
    assert known.tolist() == [[True, True, True, False]]
    np.testing.assert_allclose(colors[0, :3], [(1, 0, 0), (0, 0, 1), (0.25, 0, 0.75)])


@pytest.mark.parametrize(
    ("name", "extras", "options", "said"),
    [
        ("plain", ["probabilities"], {}, "predicts fractions of tree, grass, soil, and no classes"),
        ("plain", ["polygons"], {}, "has nothing for `polygons=...`"),
        (
            "plain",
            ["uncertainty"],
            {},
            "One pass gives the entropy of probabilities, but test-model",
        ),
        ("plain", [], {"predictor": "bayesian"}, "holds no distributions of weights"),
        ("plain", [], {"predictor": "mc-dropout"}, "has no dropout in its decoder"),
        ("plain", [], {"reject": 0.9}, "fractions of tree, grass, soil"),
    ],
)
def test_what_fractions_do_not_have_is_refused(here, name, extras, options, said):
    with pytest.raises(OptionError, match=said):
        mapped(here, name, *extras, out="refused.tif", **options)
    assert not (here / "refused.tif").exists()


def test_models_of_other_fractions_are_no_ensemble(here):
    write_model(here / "other.safetensors", task="fractions", n_classes=3)
    with pytest.raises(OptionError, match="has the quantities tree, grass, soil, but"):
        mapped(here, members=(here / "other.safetensors",))
