import builtins
import json

import numpy as np
import pytest
import torch

from georaster_dl.core.errors import ModelPackageError, OptionError, OutputError
from georaster_dl.models.exchange import onnx as export
from georaster_dl.models.exchange.onnx import export_onnx, export_stac
from georaster_dl.models.package.file import load_model, network_of, save_model

pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


@pytest.fixture
def package(tmp_path, make_card):
    card = make_card()
    path = tmp_path / "toy.safetensors"
    save_model(path, card, network_of(card))
    return path


def test_stac_item(package, tmp_path):
    pytest.importorskip("jsonschema")
    out = tmp_path / "toy.json"
    export_stac(package, out)
    item = json.loads(out.read_text())
    properties = item["properties"]
    assert item["id"] == "toy-landcover-1.0"
    assert properties["mlm:name"] == "toy-landcover"
    assert properties["bands"][0] == {
        "name": "B1",
        "eo:center_wavelength": 0.55,
        "eo:full_width_half_max": 0.02,
    }
    (given,) = properties["mlm:input"]
    assert given["bands"] == ["B1", "B2", "B3"]
    assert given["input"]["shape"] == [-1, 3, -1, -1]
    assert given["value_scaling"][1] == {"type": "z-score", "mean": 0.2, "stddev": 0.05}
    (result,) = properties["mlm:output"]
    assert [c["value"] for c in result["classification:classes"]] == [10, 20, 30]
    assert result["classification:classes"][0]["color_hint"] == "01FF01"
    hyper = properties["mlm:hyperparameters"]
    assert hyper["stride_total"] == 32
    assert (hyper["halo"], hyper["halo_exact"], hyper["exact_tiling"]) == (64, 320, False)
    assert (hyper["blend"], hyper["nodata"], hyper["tile_size"]) == (16, 255, 512)
    assert hyper["metric_mean_IoU"] == 0.81
    (asset,) = item["assets"].values()
    assert "mlm:model" in asset["roles"]
    assert asset["file:size"] == package.stat().st_size
    assert properties["mlm:total_parameters"] == sum(
        p.numel() for p in load_model(package)[1].parameters()
    )


def test_stac_item_is_read_by_pystac(package, tmp_path):
    pytest.importorskip("jsonschema")
    pystac = pytest.importorskip("pystac")
    mlm = pytest.importorskip("pystac.extensions.mlm")
    out = tmp_path / "toy.json"
    export_stac(package, out)
    model = mlm.MLMExtension.ext(pystac.Item.from_file(out))
    assert model.tasks == ["semantic-segmentation"]
    assert model.hyperparameters.to_dict()["halo"] == 64
    assert model.input[0].bands == ["B1", "B2", "B3"]


def test_nothing_is_overwritten_unasked(package, tmp_path):
    out = tmp_path / "precious"
    out.write_text("precious")
    with pytest.raises(OutputError, match="overwrite=True"):
        export_stac(package, out)
    with pytest.raises(OutputError, match="overwrite=True"):
        export_onnx(package, out)
    assert out.read_text() == "precious"


@pytest.mark.slow
def test_onnx_takes_raw_pixels_and_gives_the_networks_probabilities(package, tmp_path):
    out = tmp_path / "toy.onnx"
    assert export_onnx(package, out, tile=64, scale=1e-4, offset=-0.1) < 1e-4
    card, network = load_model(package)
    numbers = np.random.default_rng(0).integers(1000, 6000, (1, 3, 64, 64))
    session = onnxruntime.InferenceSession(out)
    (given,) = session.get_inputs()
    assert given.shape == [1, 3, 64, 64]
    # What Deepness does: the raster's numbers times 1/255, whatever their type.
    got = session.run(None, {given.name: (numbers / 255).astype(np.float32)})[0]
    physical = numbers * 1e-4 - 0.1
    mean = np.array([b.mean for b in card.bands]).reshape(-1, 1, 1)
    std = np.array([b.std for b in card.bands]).reshape(-1, 1, 1)
    with torch.inference_mode():
        logits = network(torch.from_numpy(((physical - mean) / std).astype(np.float32)))
        expected = torch.softmax(logits / 1.5, 1).numpy()
    assert abs(got - expected).max() < 1e-4
    metadata = {k: json.loads(v) for k, v in session.get_modelmeta().custom_metadata_map.items()}
    assert metadata["model_type"] == "Segmentor"
    assert metadata["class_names"] == {"0": "class 1", "1": "class 2", "2": "class 3"}
    assert metadata["resolution"] == pytest.approx(1414.214)
    assert metadata["tile_size"] == 64
    assert metadata["seg_thresh"] == 0
    assert "standardization_mean" not in metadata
    assert str(tmp_path).encode() not in out.read_bytes()
    assert b"site-packages" not in out.read_bytes()


@pytest.fixture
def regression(tmp_path, make_card):
    target = {"name": "canopy height", "unit": "m", "mean": 20.0, "std": 8.0}
    card = make_card(task="regression", classes=[], targets=[target])
    path = tmp_path / "heights.safetensors"
    save_model(path, card, network_of(card))
    return path


def test_stac_item_of_a_regression(regression, tmp_path):
    pytest.importorskip("jsonschema")
    out = tmp_path / "heights.json"
    export_stac(regression, out)
    item = json.loads(out.read_text())
    properties = item["properties"]
    assert properties["mlm:tasks"] == ["regression"]
    (result,) = properties["mlm:output"]
    assert result["result"]["shape"] == [-1, 1, -1, -1]
    assert result["description"] == "canopy height = output * 8 + 20"
    assert "classification:classes" not in result
    assert not any("classification" in extension for extension in item["stac_extensions"])
    assert properties["mlm:hyperparameters"]["targets"][0]["unit"] == "m"


@pytest.mark.slow
def test_onnx_of_a_regression_gives_values(regression, tmp_path):
    out = tmp_path / "heights.onnx"
    assert export_onnx(regression, out, tile=64) < 1e-4
    card, network = load_model(regression)
    physical = np.random.default_rng(0).normal(0.2, 0.1, (1, 3, 64, 64))
    session = onnxruntime.InferenceSession(out)
    (given,) = session.get_inputs()
    got = session.run(None, {given.name: (physical / 255).astype(np.float32)})[0]
    mean = np.array([b.mean for b in card.bands]).reshape(-1, 1, 1)
    with torch.inference_mode():
        plane = network(torch.from_numpy(((physical - mean) / 0.05).astype(np.float32))).numpy()
    np.testing.assert_allclose(got, plane * 8 + 20, atol=1e-3)
    metadata = {k: json.loads(v) for k, v in session.get_modelmeta().custom_metadata_map.items()}
    assert metadata["model_type"] == "Regressor"
    assert metadata["class_names"] == {"0": "canopy_height"}
    assert metadata["reg_output_scaling"] == 1
    assert "seg_thresh" not in metadata


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"tile": 100}, "multiple of the model's stride, 32"),
        ({"tile": 0}, "32"),
        ({"scale": 0}, "scale other than 0"),
    ],
)
def test_onnx_options(package, tmp_path, given, message):
    with pytest.raises(OptionError, match=message):
        export_onnx(package, tmp_path / "a.onnx", **given)


def test_onnx_that_differs_is_not_written(package, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "_onnx_bytes", lambda *_: b"")
    monkeypatch.setattr(export, "_compare", lambda *_: 0.01)
    with pytest.raises(ModelPackageError, match=r"differs by 0\.01"):
        export_onnx(package, tmp_path / "a.onnx")
    assert not (tmp_path / "a.onnx").exists()


def test_onnx_without_its_packages(package, tmp_path, monkeypatch):
    real = builtins.__import__

    def absent(name, *args, **kwargs):
        if name == "onnxscript":
            raise ModuleNotFoundError("No module named 'onnxscript'", name=name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(OptionError, match=r"onnxscript.*pip install 'georaster_dl\[export\]'"):
        export_onnx(package, tmp_path / "a.onnx")
