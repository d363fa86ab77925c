"""Maps of several passes: no seams, the same bytes again, one pass where all are the same."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch

from georaster_dl.core.errors import OptionError
from georaster_dl.models.package.calibration import Calibration
from georaster_dl.models.package.card import Architecture
from georaster_dl.models.package.file import load_model, save_model
from georaster_dl.models.package.values import Interval, Target
from georaster_dl.models.registry import create_model
from georaster_dl.predict.engine.rewrite.program import Program
from georaster_dl.predict.options import Outputs, SegmentOptions
from georaster_dl.predict.outputs.kinds import CLASS_MEASURES
from georaster_dl.predict.predictors.passes import _Kept
from georaster_dl.predict.segment import SegmentRun, segment
from georaster_dl.testing import noise, small_card, write_model, write_scene

OPTIONS = {"encoder_depth": 3, "decoder_channels": [16, 8, 8]}
ENCODER = "tu-test_resnet"
BANDS = ("B02", "B03", "B04", "B08")


def dropout_model(path: Path, *, dropout=0.3, seed=0, rho=None, **fields) -> Path:
    """A small U-Net of random weights with dropout in its decoder, or with a Bayesian head."""
    options = {**OPTIONS, "decoder_dropout": dropout}
    options |= {} if rho is None else {"head": "bayesian"}
    card = small_card(
        architecture=Architecture(name="unet", encoder=ENCODER, options=options), **fields
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = create_model(
            "unet", in_bands=3, n_classes=card.outputs, encoder=ENCODER, **options
        )
    # Else a network of random weights hardly prefers a class.
    with torch.no_grad():
        network.segmentation_head[0].weight *= 20
        if rho is not None:
            network.segmentation_head[0].weight_rho.fill_(rho)
            network.segmentation_head[0].bias_rho.fill_(rho)
    save_model(path, card, network.eval())
    return path


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    folder = tmp_path_factory.mktemp("predictors")
    write_scene(folder / "scene.tif", noise((200, 230)))
    dropout_model(folder / "dropout.safetensors")
    dropout_model(folder / "other.safetensors", seed=5)
    dropout_model(folder / "head.safetensors", rho=-1.0)
    return folder


def rasters(here, model="dropout", *extras, **options):
    """Run in memory; pixels by kind."""
    run = SegmentRun(
        (str(here / "scene.tif"),),
        here / f"{model}.safetensors",
        Outputs.in_memory(*extras),
        SegmentOptions(precision="fp32", float32=True, **options),
        lambda _event: None,
    )
    return {kind: raster.array for kind, raster in run.in_memory().items()}


def of_network(here, image, model="dropout"):
    """Probabilities of the plain network over a whole normalised image."""
    card, network = load_model(here / f"{model}.safetensors")
    with torch.inference_mode():
        return torch.softmax(network(image[None])[0] / card.calibration.temperature, 0)


@pytest.mark.parametrize("predictor", ["mc-dropout", "tta", "bayesian"])
def test_two_tilings_give_the_same_measures(here, predictor):
    def made(tile):
        options = {"halo": "exact", "tile": tile, "predictor": predictor, "passes": 4}
        model = "head" if predictor == "bayesian" else "dropout"
        return rasters(here, model, "uncertainty", "probabilities", **options)

    few, many = made(232), made(136)
    for kind in ("uncertainty", "probabilities"):
        assert np.nanmax(np.abs(few[kind] - many[kind])) < 1e-5
    information = few["uncertainty"][CLASS_MEASURES.index("mutual information")]
    assert np.nanmean(information) > 1e-3  # the passes do differ


def test_dropout_differs_between_passes_and_seeds_only(here):
    def made(**options):
        return rasters(here, "dropout", "uncertainty", predictor="mc-dropout", **options)

    one = made(passes=1)["uncertainty"]
    assert np.nanmax(one[2:4]) < 1e-6  # of one pass there is no spread
    assert np.allclose(one[0], one[1], atol=1e-6, equal_nan=True)
    first, again, other = made(passes=3), made(passes=3), made(passes=3, seed=1)
    assert np.array_equal(first["uncertainty"], again["uncertainty"], equal_nan=True)
    assert not np.array_equal(first["uncertainty"], other["uncertainty"], equal_nan=True)
    assert np.array_equal(np.isnan(first["uncertainty"][0]), first["map"][0] == 255)


def test_a_head_without_deviation_gives_the_plain_network_in_every_pass(here):
    dropout_model(here / "sharp.safetensors", rho=-40.0)
    made = rasters(here, "sharp", "probabilities", "uncertainty", predictor="bayesian", passes=3)
    plain = rasters(here, "sharp", "probabilities")
    assert np.nanmax(np.abs(made["probabilities"] - plain["probabilities"])) < 1e-6
    assert np.nanmax(made["uncertainty"][2]) < 1e-6
    assert (
        np.nanmean(rasters(here, "head", "uncertainty", predictor="bayesian")["uncertainty"][2])
        > 1e-3
    )


def test_measures_follow_from_the_mean_of_the_passes(here):
    made = rasters(
        here, "dropout", "uncertainty", "probabilities", "confidence",
        predictor="mc-dropout", passes=5,
    )  # fmt: skip
    shares, valid = made["probabilities"], made["map"][0] != 255
    assert np.array_equal((shares.argmax(0) + 1)[valid], made["map"][0][valid])
    entropy = -(shares * np.log(np.maximum(shares, 1e-30))).sum(0) / np.log(len(shares))
    assert np.nanmax(np.abs(entropy - made["uncertainty"][0])) < 1e-5
    assert np.nanmax(np.abs(made["confidence"][0] - made["uncertainty"][4])) < 1e-6


def test_without_dropout_all_passes_are_the_network_itself_and_are_refused(here):
    dropout_model(here / "none.safetensors", dropout=0.0)
    with pytest.raises(OptionError, match=r"no dropout in its decoder.*`predictor='tta'`"):
        rasters(here, "none", "uncertainty", predictor="mc-dropout")


@pytest.mark.parametrize("rewritten", [True, False])
def test_what_lies_before_the_first_dropout_is_computed_once_a_tile(here, monkeypatch, rewritten):
    """By the rewritten network on a processor, and by the plain one elsewhere; both give the same."""
    from georaster_dl.predict.engine.rewrite.network import Rewritten

    options = {"predictor": "mc-dropout", "passes": 6, "tile": 136, "halo": 16}
    expected = rasters(here, "dropout", "uncertainty", **options)
    seen = []
    if rewritten:
        begin = Program.begin
        monkeypatch.setattr(Program, "begin", lambda *a: seen.append("begun") or begin(*a))
        one = Program.one_pass
        monkeypatch.setattr(Program, "one_pass", lambda *a: seen.append("pass") or one(*a))
    else:
        monkeypatch.setattr(Rewritten, "_program_for", lambda *_: None)
        run = _Kept.forward

        def watched(self, image, *more):
            if self._image is not image:
                seen.append("begun")
            seen.append("pass")
            return run(self, image, *more)

        monkeypatch.setattr(_Kept, "forward", watched)
    found = rasters(here, "dropout", "uncertainty", **options)
    tiles = seen.count("begun")
    assert tiles > 1
    checked = 1 if rewritten else 0  # on the first tile, against the plain network
    assert seen.count("pass") == 6 * (tiles - checked) + checked
    assert np.nanmax(np.abs(found["uncertainty"] - expected["uncertainty"])) < 1e-4


def test_mirror_images_average_what_the_network_gives_of_each(here):
    with rasterio.open(here / "scene.tif") as scene:
        stored = scene.read().astype("float32")
    valid = torch.from_numpy((stored != 0).all(0))
    image = torch.from_numpy((stored * 1e-4 - 0.2) / 0.1).where(valid, 0.0)
    image = image[:, :200, :224]  # whole strides
    flips = [(), (1,), (2,), (1, 2)]
    expected = torch.stack([of_network(here, image.flip(f)).flip(f) for f in flips]).mean(0)
    write_scene(here / "whole.tif", stored[:, :200, :224].astype("uint16"))
    run = SegmentRun(
        (str(here / "whole.tif"),),
        here / "dropout.safetensors",
        Outputs.in_memory("probabilities"),
        SegmentOptions(precision="fp32", float32=True, predictor="tta", symmetries="flip"),
        lambda _event: None,
    )
    found = run.in_memory()["probabilities"].array
    where = valid[:200, :224].numpy()
    assert np.abs(found - expected.numpy())[:, where].max() < 1e-4


def test_a_turned_scene_has_the_turned_probabilities(here):
    with rasterio.open(here / "scene.tif") as scene:
        square = scene.read()[:, :200, :200]
    found = []
    for name, array in (("square", square), ("turned", np.rot90(square, 1, (1, 2)))):
        write_scene(here / f"{name}.tif", np.ascontiguousarray(array))
        run = SegmentRun(
            (str(here / f"{name}.tif"),),
            here / "dropout.safetensors",
            Outputs.in_memory("uncertainty"),
            SegmentOptions(precision="fp32", float32=True, predictor="tta"),
            lambda _event: None,
        )
        found.append(run.in_memory()["uncertainty"].array)
    turned = np.rot90(found[0], 1, (1, 2))
    assert np.nanmax(np.abs(turned - found[1])) < 1e-4


def test_an_ensemble_is_the_mean_of_its_members_each_with_its_own_normalisation(here):
    # The model of other weights, that has learnt from brighter scenes.
    card, network = load_model(here / "other.safetensors")
    bands = tuple(replace(band, mean=0.3, std=0.2) for band in card.bands)
    fields = {"bands": bands, "calibration": Calibration(temperature=1.7)}
    save_model(here / "rescaled.safetensors", card.model_copy(update=fields), network)
    alone = [rasters(here, m, "probabilities")["probabilities"] for m in ("dropout", "rescaled")]
    both = rasters(
        here, "dropout", "probabilities", "uncertainty",
        members=(here / "rescaled.safetensors",),
    )  # fmt: skip
    assert np.nanmax(np.abs(both["probabilities"] - (alone[0] + alone[1]) / 2)) < 1e-4
    assert np.nanmean(both["uncertainty"][2]) > 1e-3


@pytest.mark.parametrize("bands", [("B04", "B03", "B02"), ("B03", "B08")], ids=" ".join)
def test_models_of_other_sensors_are_fused_late(here, tmp_path, bands):
    write_scene(tmp_path / "scene.tif", noise((64, 80), n_bands=4), bands=BANDS)
    models = dropout_model(tmp_path / "a.safetensors"), tmp_path / "b.safetensors"
    write_model(models[1], bands=bands)

    def probabilities(model, *members):
        return rasters(tmp_path, model, "probabilities", members=members)["probabilities"]

    alone = [probabilities(model.stem) for model in models]
    for first, second in (models, models[::-1]):
        both = probabilities(first.stem, second)
        assert np.nanmax(np.abs(both - (alone[0] + alone[1]) / 2)) < 1e-4
    assert np.nanmax(np.abs(alone[0] - alone[1])) > 0.01


def test_models_that_predict_something_else_are_no_ensemble(here):
    write_model(here / "five.safetensors", n_classes=5)
    with pytest.raises(
        OptionError, match=r"no ensemble: .* has the classes .*4 class 3, but .*5 class 4"
    ):
        rasters(here, "dropout", members=(here / "five.safetensors",))
    write_model(here / "raw.safetensors", bands=("B04",), quantity="digital numbers")
    with pytest.raises(OptionError, match="both read a band B04, but of other values .reflectance"):
        rasters(here, "dropout", members=(here / "raw.safetensors",))
    for predictor in ("ensemble", "bayesian"):
        with pytest.raises(OptionError, match="`predictor='tta'`"):
            rasters(here, "dropout", predictor=predictor)
    with pytest.raises(OptionError, match="whose passes are its members"):
        rasters(here, "dropout", predictor="tta", members=(here / "other.safetensors",))
    with pytest.raises(OptionError, match="test-model is given twice"):
        rasters(here, "dropout", members=(here / "dropout.safetensors",))
    with pytest.raises(OptionError, match="no predictor 'bogus'; choose auto, single, mc-dropout"):
        rasters(here, "dropout", predictor="bogus")
    with pytest.raises(OptionError, match=r"`tile=40` leaves nothing within the halo of 48 pixels"):
        rasters(here, "dropout", tile=40, halo="exact")
    with pytest.raises(OptionError, match="1 or more, but got 0"):
        rasters(here, "dropout", predictor="mc-dropout", passes=0)


def test_a_quantity_has_mean_sd_and_bounds(here):
    interval = Interval(0.9, 1.5, 2.0)
    target = Target("height", "m", mean=10.0, std=4.0, interval=interval)
    dropout_model(here / "height.safetensors", targets=(target,))
    made = rasters(here, "height", "uncertainty", predictor="mc-dropout", passes=6)
    mean, sd, lower, upper = made["uncertainty"]
    assert np.array_equal(mean, made["map"][0], equal_nan=True)
    assert np.nanmin(sd) > 0
    half = 1.5 * np.hypot(sd, 2.0)
    assert np.allclose(upper - mean, half, rtol=1e-4, equal_nan=True)
    assert np.allclose(mean - lower, half, rtol=1e-4, equal_nan=True)
    assert np.allclose(made["map"][1], half, rtol=1e-4, equal_nan=True)
    with pytest.raises(OptionError, match="One pass .*height.*mc-dropout"):
        rasters(here, "height", "uncertainty")


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_bytes(here, tmp_path):
    def run(name, stop_after=None):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        seen = []

        def report(event):
            seen.append(event)
            if stop_after is not None and sum(hasattr(e, "done") for e in seen) > stop_after:
                raise KeyboardInterrupt

        options = SegmentOptions(
            predictor="mc-dropout", passes=3, tile=96, halo=16, overwrite=True,
            journal=tmp_path / f"{name}_strips",
        )  # fmt: skip
        outputs = Outputs(folder / "map.tif", uncertainty=folder / "u.tif")
        segment((str(here / "scene.tif"),), here / "dropout.safetensors", outputs, options, report)
        return [rasterio.open(path).read() for path in outputs.all()]

    whole = run("whole")
    with pytest.raises(KeyboardInterrupt):
        run("killed", stop_after=4)
    assert list((tmp_path / "killed_strips").glob("*.strip"))
    for found, expected in zip(run("killed"), whole, strict=True):
        assert np.array_equal(found, expected)


def test_the_file_names_its_measures_and_how_they_were_made(here, tmp_path):
    outputs = Outputs(tmp_path / "map.tif", uncertainty=tmp_path / "u.tif")
    options = SegmentOptions(predictor="mc-dropout", passes=2, seed=3)
    segment((str(here / "scene.tif"),), here / "dropout.safetensors", outputs, options)
    with rasterio.open(outputs.extras["uncertainty"]) as made:
        assert made.descriptions == CLASS_MEASURES
        assert set(made.dtypes) == {"uint16"}
        assert made.scales == (2e-5,) * 5
        assert made.nodata == 65535
        assert made.tags()["GEORASTER_DL_PREDICTOR"] == "mc-dropout, 2 passes, seed 3"
        exact = rasters(here, "dropout", "uncertainty", predictor="mc-dropout", passes=2, seed=3)
        stored = np.where(made.read() == 65535, np.nan, made.read() * 2e-5)
    assert (tmp_path / "u.qml").exists()
    assert (
        np.nanmean(np.abs(stored - exact["uncertainty"])) < 0.02
    )  # bf16 where the processor has it


@pytest.mark.parametrize(
    ("name", "warned"), [("aspect", True), ("Hillshade", True), ("B04", False)]
)
def test_a_band_that_is_a_direction_is_warned_of_in_mirror_images(tmp_path, name, warned):
    bands = ("B02", "B03", name)
    write_scene(tmp_path / "scene.tif", noise((40, 48)), bands=bands)
    write_model(tmp_path / "model.safetensors", bands=bands)
    messages = []
    options = SegmentOptions(predictor="tta", symmetries="flip")
    segment(
        (str(tmp_path / "scene.tif"),),
        tmp_path / "model.safetensors",
        Outputs(tmp_path / "map.tif"),
        options,
        lambda event: messages.append(getattr(event, "message", "")),
    )
    assert any("mirror images turn the wrong way" in text for text in messages) == warned
