"""What is made of the probes' answers."""

import pytest

from georaster_dl.doctor.answers import (
    judge_gdal,
    judge_models,
    judge_proj,
    judge_torch,
    judge_vectors,
)
from georaster_dl.doctor.ask import Answer

TORCH = {
    "version": "2.9.0",
    "path": "/x/torch",
    "built_for": "CUDA 12.8",
    "cpu_capability": "AVX2",
    "cpu_bf16": False,
    "threads": 4,
    "devices": [],
    "no_gpu": "Found no NVIDIA driver on your system",
    "gpu_driver": False,
    "computes_on": "cpu fp32",
}
DEVICE = {
    "name": "NVIDIA Test",
    "capability": "5.0",
    "memory_bytes": 8 * 2**30,
    "memory_free_bytes": 6 * 2**30,
    "error": None,
}


def found(part):
    return [(finding.topic, finding.status) for finding in part.findings]


def test_no_gpu_is_no_fault():
    part = judge_torch(Answer(TORCH))
    assert found(part) == [("torch", "ok"), ("gpu", "ok")]
    assert "Found no NVIDIA driver" in part.findings[1].text


def test_driver_without_use_is_a_warning():
    part = judge_torch(Answer(TORCH | {"gpu_driver": True, "no_gpu": "driver too old"}))
    assert found(part) == [("torch", "ok"), ("gpu", "warning")]
    assert "driver too old" in part.findings[1].text
    assert "pytorch.org" in part.findings[1].remedy


def test_gpu():
    part = judge_torch(Answer(TORCH | {"devices": [DEVICE], "computes_on": "cuda:0 bf16"}))
    assert part.findings[1].text == (
        "NVIDIA Test (6.0 GiB of 8.0 GiB free); geodl computes on cuda:0 bf16"
    )


def test_gpu_that_does_not_compute():
    broken = DEVICE | {"error": "no kernel image is available", "memory_bytes": None}
    part = judge_torch(Answer(TORCH | {"devices": [broken]}))
    assert found(part) == [("torch", "ok"), ("gpu", "problem")]
    assert "no kernel image" in part.findings[1].text
    assert "`device='cpu'`" in part.findings[1].remedy


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        ("ImportError: libcudart.so.12: cannot open", "--force-reinstall --no-deps torch"),
        ("ModuleNotFoundError: No module named 'torch'", "-m pip install torch"),
        ("OSError: [WinError 126] The specified module", "Visual C++ Redistributable"),
        ("its process was killed by SIGILL", "another build"),
    ],
)
def test_torch_that_cannot_be_imported(error, remedy):
    part = judge_torch(Answer(error=error))
    assert found(part) == [("torch", "problem")]
    assert error in part.findings[0].text
    assert remedy in part.findings[0].remedy
    assert part.facts == {"error": error}


def test_drivers():
    facts = {"rasterio": "1.4", "path": "/x", "version": "3.10", "brings_data": True}
    every = ["GTiff", "COG", "VRT", "JP2OpenJPEG", "ENVI", "netCDF", "HDF5", "PNG"]
    part = judge_gdal(Answer(facts | {"drivers": every}))
    assert found(part) == [("gdal", "ok")]
    assert part.facts["drivers"] == dict.fromkeys(every[:-1], True)
    part = judge_gdal(Answer(facts | {"drivers": ["GTiff", "VRT", "ENVI", "netCDF", "HDF5"]}))
    assert found(part) == [("gdal", "problem"), ("gdal", "warning"), ("gdal", "ok")]
    assert "COG is missing" in part.findings[0].text
    assert "JPEG 2000 (Sentinel-2) does not work" in part.findings[1].text
    assert found(judge_gdal(Answer(error="ImportError: no"))) == [("gdal", "problem")]


def test_vector_drivers():
    facts = {"pyogrio": "0.13", "version": "3.12", "drivers": ["GeoJSON", "ESRI Shapefile"]}
    assert found(judge_vectors(Answer(facts))) == [("vectors", "problem"), ("vectors", "ok")]
    assert found(judge_vectors(Answer(error="x"))) == [("vectors", "problem")]


def test_coordinates():
    right = Answer({"version": "9.5", "east": 500_000.0, "north": 4_982_950.4})
    wrong = Answer({"version": "9.5", "east": 3.0, "north": 45.0})
    broken = Answer(error="CRSError: proj.db contains DATABASE.LAYOUT.VERSION.MINOR = 2")
    assert found(judge_proj(right, right)) == [("proj", "ok"), ("proj", "ok")]
    part = judge_proj(broken, wrong)
    assert found(part) == [("proj", "problem"), ("proj", "problem")]
    assert "DATABASE.LAYOUT" in part.findings[0].text
    assert "3.0, 45.0" in part.findings[1].text
    assert "PROJ_LIB" in part.findings[0].remedy


def test_models():
    one = {"name": "one", "path": "/one", "version": "1", "error": None}
    two = {"name": "two", "path": "/two", "version": None, "error": "cut short"}
    part = judge_models(Answer([one, two]))
    assert found(part) == [("models", "problem"), ("models", "ok")]
    assert "two cannot be opened: cut short" in part.findings[0].text
    assert found(judge_models(Answer([]))) == [("models", "problem")]
    assert judge_models(Answer(error="killed")).facts == {"models": [], "error": "killed"}
