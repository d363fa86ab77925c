"""Torch modules that are defined outside the project: registered, checked, and used by every command."""

import os
import sys
from importlib import import_module

import pytest
import rasterio
import torch

from georaster_dl.batches.job import SceneJob
from georaster_dl.batches.pools.local import LocalWorkers
from georaster_dl.core.errors import ModelPackageError, OptionError, UnknownModelError
from georaster_dl.models import registry
from georaster_dl.models.contract import network_part
from georaster_dl.models.package.card import Card
from georaster_dl.models.package.file import load_model, read_card, save_model
from georaster_dl.models.registry import create_model, describe_model, list_models, register_model
from georaster_dl.models.runtime.features import FeatureNetwork
from georaster_dl.predict.options import Outputs, SegmentOptions
from georaster_dl.testing import noise, write_scene
from georaster_dl.training.loop.transfer import freeze, unfreeze_for_epoch
from tests.cli.conftest import start
from tests.cli.test_train import NAMES, settings, write_ground

from .conftest import card_fields
from .foreign import MODULE, NAME, SOURCE, install


@pytest.fixture
def forgotten(monkeypatch):
    """The registry as a process has it that has looked at no entry point."""
    registry._import_library()
    monkeypatch.setattr(registry, "_FAMILIES", dict(registry._FAMILIES))
    monkeypatch.setattr(registry, "_BROKEN", {})
    registry._load_entry_points.cache_clear()
    yield
    registry._load_entry_points.cache_clear()
    sys.modules.pop(MODULE, None)


@pytest.fixture
def installed(tmp_path, monkeypatch, forgotten):
    """The package on the path of this process."""
    monkeypatch.syspath_prepend(install(tmp_path))
    return tmp_path


def card_of(name, **changes):
    return Card(**card_fields(architecture={"name": name}, stride=2, **changes))


def test_an_installed_package_brings_architectures(installed):
    assert NAME in list_models()
    assert describe_model("two-scales") == (
        "Two convolutions, the second at half the resolution.",
        {"width": 8, "head": "plain"},
    )
    network = create_model(NAME, in_bands=3, n_classes=3)
    saved = save_model(installed / "m.safetensors", card_of(NAME), network)
    card, loaded = load_model(installed / "m.safetensors")
    assert card == saved
    image = torch.randn(1, 3, 8, 8)
    assert torch.equal(loaded(image), network.eval()(image))
    assert FeatureNetwork(network, 3).features == 8
    assert registry.registering_modules() == [MODULE]


def test_a_broken_package_stops_nothing_but_its_own_networks(tmp_path, monkeypatch, forgotten):
    monkeypatch.syspath_prepend(install(tmp_path, "import a_package_that_is_not_there"))
    assert "unet" in list_models()
    assert create_model("plain_unet", in_bands=1, n_classes=1, widths=(2, 2))
    with pytest.raises(
        UnknownModelError, match=rf"No architecture .*'{MODULE}' .* could not be loaded \(ModuleNot"
    ):
        create_model(NAME, in_bands=1, n_classes=1)


def test_a_name_of_the_library_stays_its_own(tmp_path, monkeypatch, forgotten):
    taken = SOURCE.replace("def two_scales", "def unet")
    monkeypatch.syspath_prepend(install(tmp_path, taken))
    assert describe_model("unet")[0].startswith("U-Net")
    with pytest.raises(UnknownModelError, match="'unet' is registered already, by georaster_dl"):
        describe_model("two_scales")


def registered(module_class):
    """Register a module of this file; a notebook's cell may be run again."""
    for _ in range(2):

        @register_model(options={})
        def mine(spec):
            """Network of a notebook."""
            return module_class(spec.in_bands, spec.n_classes)

    return mine


class Plain(torch.nn.Conv2d):
    """A network that says nothing of itself but its stride."""

    stride_of_mine = 1

    def __init__(self, in_bands, n_classes):
        super().__init__(in_bands, n_classes, 1)
        self.stride = self.stride_of_mine


class WithoutStride(torch.nn.Sequential):
    def __init__(self, in_bands, n_classes):
        super().__init__(torch.nn.Conv2d(in_bands, n_classes, 1))


class Coarse(WithoutStride):
    stride = 64


@pytest.mark.parametrize(
    ("module_class", "error", "message"),
    [
        (WithoutStride, OptionError, "attribute `stride`"),
        (Coarse, ModelPackageError, "stride 2, but the network down-samples by 64"),
    ],
)
def test_what_could_not_be_loaded_is_not_saved(forgotten, tmp_path, module_class, error, message):
    registered(module_class)
    network = create_model("mine", in_bands=3, n_classes=3)
    with pytest.raises(error, match=message):
        save_model(tmp_path / "m.safetensors", card_of("mine"), network)
    assert list(tmp_path.iterdir()) == []


def test_what_a_network_lacks_is_said(forgotten):
    network = Plain(3, 3)
    freeze(network, "none")
    for refused in (
        lambda: freeze(network, "encoder"),
        lambda: unfreeze_for_epoch(network, "all-but-head", 1, 1),
        lambda: network_part(network, "decoder"),
    ):
        with pytest.raises(OptionError, match=r"Plain has no part `\w+`, which starting weights"):
            refused()
    with pytest.raises(OptionError, match="Plain does not say which of its layers are features"):
        FeatureNetwork(network, 3)


@pytest.mark.slow
def test_workers_know_what_is_registered_in_python(tmp_path, monkeypatch, forgotten):
    (tmp_path / f"{MODULE}.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    import_module(MODULE)
    network = create_model(NAME, in_bands=3, n_classes=3)
    model = tmp_path / "m.safetensors"
    bands = [{"name": name, "mean": 0.2, "std": 0.1} for name in ("B02", "B03", "B04")]
    save_model(model, card_of(NAME, bands=bands), network)
    write_scene(tmp_path / "scene.tif", noise((64, 48)))
    kept = {"record": tmp_path / "a.json", "journal": tmp_path / "strips"}
    job = SceneJob(
        "a",
        (str(tmp_path / "scene.tif"),),
        model,
        Outputs(tmp_path / "a.tif"),
        SegmentOptions(**kept),
    )
    with LocalWorkers(1, lambda *_: None) as workers:
        workers.submit(job)
        assert not workers.next().error
    assert (tmp_path / "a.tif").is_file()


@pytest.mark.slow
def test_every_command_runs_it(tmp_path, monkeypatch):
    """Train, segment, features, export and batch, in processes that know the package by its metadata."""
    package = tmp_path / "site"
    package.mkdir()
    install(package)
    paths = [str(package), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    write_ground(tmp_path)
    settings(tmp_path / "tiny.toml", model={"architecture": NAME, "options": {"width": 4}})

    def geodl(*arguments):
        process = start(*arguments, cwd=tmp_path)
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
        return out

    assert NAME in geodl("models", "list", "two*", "--architectures")
    geodl("train", "scene.tif", "labels.gpkg", "-o", "m.safetensors", "--config", "tiny.toml")
    card = read_card(tmp_path / "m.safetensors")
    assert (card.architecture.name, card.architecture.options) == (NAME, {"width": 4})
    assert "ok  tiles with the exact halo" in geodl("models", "check", "m.safetensors")
    geodl("segment", "scene.tif", "-m", "m.safetensors", "-o", "map.tif")
    geodl("features", "scene.tif", "-m", "m.safetensors", "-o", "features.tif")
    with rasterio.open(tmp_path / "map.tif") as mapped:
        classes = mapped.read(1)
        assert set(classes[classes != 255].tolist()) <= {c.value for c in card.classes}
        assert {c.name for c in card.classes} == set(NAMES.values())
    with rasterio.open(tmp_path / "features.tif") as features:
        assert features.count == 4
    with rasterio.open(tmp_path / "scene.tif") as scene:
        write_scene(tmp_path / "other.tif", scene.read()[:, ::-1])
    geodl(
        *("batch", "scene.tif", "other.tif", "-m", "m.safetensors", "-d", "maps"),
        *("--workers", "2"),
    )
    with rasterio.open(tmp_path / "maps" / "scene_landcover.tif") as mapped:
        assert (mapped.read(1) == classes).all()
    pytest.importorskip("onnxruntime")
    geodl("models", "export", "m.safetensors", "--format", "onnx", "-o", "m.onnx", "--tile", "64")
    assert (tmp_path / "m.onnx").stat().st_size > 1000
