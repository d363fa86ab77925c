import json
import subprocess
import sys

import pytest
from click.testing import CliRunner
from geodl_cli.commands.models import card_facts, models

from georaster_dl.core.errors import ModelPackageError, OutputError, UnknownModelError
from georaster_dl.models.package import file as package
from georaster_dl.models.package.card import Architecture, Card
from georaster_dl.models.package.file import network_of, save_model
from georaster_dl.testing import small_card
from tests.series import day_sums, series_card, write_series_model

__all__ = ["day_sums"]

FIELDS = {
    "name": "toy",
    "version": "1.0",
    "description": "Water or land",
    "architecture": {
        "name": "unet",
        "encoder": "tu-test_resnet",
        "options": {"encoder_depth": 2, "decoder_channels": [8, 8]},
    },
    "bands": [
        {"name": f"B{i}", "wavelength_nm": 500.0 + i, "mean": 0.1, "std": 0.1} for i in range(20)
    ],
    "classes": [
        {"value": 1, "name": "water [bold]", "color": "#0000ff"},
        {"value": 2, "name": "land", "color": "#00ff00"},
    ],
    "resolution_m": [10, 20],
    "stride": 4,
    "halo": {"default": 16, "exact": 64, "changed": 0.0004, "blend": 8},
    "cost": {"macs_per_pixel": 12_345, "bytes_per_pixel": 99},
    "licence": "CC-BY-4.0 [draft]",
    "metrics": {"mean IoU": 0.8125},
    "training": {"area": "Alps"},
    "limitations": "Not for snow.",
}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle")
    card = Card(**FIELDS)
    save_model(folder / "toy.safetensors", card, network_of(card))
    return folder


@pytest.fixture
def geodl(bundle, monkeypatch):
    """Run ``geodl models`` with one bundled model; errors come through as they are."""
    monkeypatch.setattr(package, "_BUILTIN", bundle)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments):
        return CliRunner().invoke(models, list(map(str, arguments)), catch_exceptions=False).output

    return run


def test_list(geodl):
    lines = geodl("list").splitlines()
    assert lines[1].split()[:6] == ["toy", "1.0", "segmentation", "images", "20", "2"]
    assert "[draft]" in lines[1]
    assert lines[-1] == "next: geodl models show MODEL"
    assert "no bundled model matches" in geodl("list", "x*")
    (row,) = json.loads(geodl("list", "t*", "--json"))
    assert row["name"] == "toy"
    assert row["path"].endswith("toy.safetensors")
    assert row["input"] == "images"


def test_models_of_time_series_are_told_apart(geodl, day_sums, tmp_path, monkeypatch):
    write_series_model(tmp_path / "crops.safetensors", series_card())
    monkeypatch.setattr(package, "_BUILTIN", tmp_path)
    (row,) = json.loads(geodl("list", "--json"))
    assert (row["name"], row["input"]) == ("crops", "time series")


def test_list_of_architectures(geodl):
    assert "U-Net" in geodl("list", "--architectures")
    rows = json.loads(geodl("list", "deeplab*", "--architectures", "--json"))
    assert [row["name"] for row in rows] == ["deeplabv3", "deeplabv3plus"]
    assert rows[0]["options"]["encoder_output_stride"] == 8


def test_show(geodl):
    text = geodl("show", "toy")
    for part in (
        "toy 1.0 - Water or land",
        "B0 (500 nm), B1 (501 nm)",
        "and 4 more",
        "unet + tu-test_resnet, stride 4",
        "16 pixels (exact at 64, 0.04 % of pixels change), blended over 8",
        "12.35 kMAC",
        "0.812  mean IoU",
        "#0000ff  water [bold]",
        "limitations: Not for snow.",
        "next: geodl segment SCENE -m toy",
    ):
        assert part in text
    assert text.splitlines()[1] == "limitations: Not for snow."
    card = Card.from_json(geodl("show", "toy", "--json"))
    assert card.name == "toy"
    with pytest.raises(UnknownModelError, match="did you mean 'toy'"):
        geodl("show", "tooy")


def test_listing_and_showing_need_no_torch(bundle):
    code = (
        "import sys; from click.testing import CliRunner; from geodl_cli.commands.models import models;"
        f"r = CliRunner().invoke(models, ['show', r'{bundle / 'toy.safetensors'}']);"
        "l = CliRunner().invoke(models, ['list', '--architectures']);"
        "sys.exit(r.exit_code or l.exit_code or 'torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_check(geodl, bundle, tmp_path):
    lines = geodl("check", "toy").splitlines()
    assert len(lines) == 4
    assert all(line.startswith("ok  ") for line in lines)
    content = bytearray((bundle / "toy.safetensors").read_bytes())
    content[-9] ^= 1
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(content)
    with pytest.raises(ModelPackageError, match="damaged or altered"):
        geodl("check", damaged)


def test_export_stac(geodl, tmp_path):
    pytest.importorskip("jsonschema")
    out = tmp_path / "toy.json"
    assert geodl("export", "toy", "--format", "stac", "-o", out).strip() == str(out)
    assert json.loads(out.read_text())["properties"]["mlm:hyperparameters"]["halo"] == 16
    with pytest.raises(OutputError, match="exists already"):
        geodl("export", "toy", "--format", "stac", "-o", out)
    geodl("export", "toy", "--format", "stac", "-o", out, "--overwrite")


@pytest.mark.slow
def test_export_onnx(geodl, tmp_path):
    pytest.importorskip("onnxscript")
    onnxruntime = pytest.importorskip("onnxruntime")
    out = tmp_path / "toy.onnx"
    text = geodl("export", "toy", "--format", "onnx", "-o", out, "--tile", 64, "--scale", 1e-4)
    assert "output within" in text
    assert onnxruntime.InferenceSession(out).get_inputs()[0].shape == [1, 20, 64, 64]


def test_the_network_of_an_ensemble_is_that_of_its_members():
    options = {"member": "unet", "members": 3, "spread": False, "head": "bayesian"}
    architecture = Architecture(name="ensemble", encoder="resnet18", options=options)
    facts = dict(card_facts(small_card(architecture=architecture)))
    assert facts["network"] == "3 x unet + resnet18, bayesian head, stride 8"
