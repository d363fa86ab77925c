"""What the command imports before it has something to compute."""

import json
import subprocess
import sys

import pytest

from georaster_dl.testing import noise, write_scene


def imported(*arguments, cwd, refused=""):
    """Modules loaded at the end of ``geodl`` with these arguments, run as a process; ``refused`` is in its error."""
    code = (
        "import sys; from geodl_cli.main import _run; code = _run(sys.argv[1:]);"
        "print('|'.join(sys.modules)); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=cwd, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert (done.returncode == 0) == (not refused), done.stderr
    assert refused in done.stderr if refused else done.stderr == ""
    return set(done.stdout.splitlines()[-1].split("|"))


COMMANDS = [
    "segment",
    "features",
    "denoise",
    "train",
    "evaluate",
    "sample-points",
    "cluster",
    "classify",
    "mosaic",
    "batch",
    "doctor",
    "qgis",
]

SPECTRA = [
    ["spectra", "--help"],
    *(["spectra", name, "--help"] for name in ("train", "predict", "evaluate", "compare")),
]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["info", "-h"],
        ["--version"],
        [],
        *([name, "--help"] for name in COMMANDS),
        *SPECTRA,
        ["qgis", "install", "--help"],
        ["qgis", "package", "--help"],
    ],
)
def test_help_imports_nothing_heavy(tmp_path, arguments):
    heavy = {"torch", "lightning", "rasterio", "numpy", "pydantic", "geopandas", "matplotlib"}
    heavy |= {"sklearn", "pandas", "dask", "distributed"}
    assert not heavy & imported(*arguments, cwd=tmp_path)


def test_info_imports_no_torch(model, tmp_path):
    scene = write_scene(tmp_path / "s.tif", noise())
    for arguments in ([], ["-m", model]):
        loaded = imported("info", scene, *arguments, cwd=tmp_path)
        assert "rasterio" in loaded
        assert not {"torch", "geopandas", "matplotlib", "sklearn"} & loaded


def test_the_plugin_is_handled_without_anything_heavy(tmp_path):
    for arguments in (["qgis", "install", "--profiles-path", tmp_path], ["qgis", "package"]):
        heavy = {"torch", "rasterio", "numpy", "qgis", "georaster_dl_qgis"}
        assert not heavy & imported(*arguments, cwd=tmp_path)


@pytest.mark.parametrize(
    ("options", "refused"),
    [
        (["--class-field", "kind"], "has no field 'kind'"),
        (["--method", "svm", "--search", "3"], "leave one of them out"),
        (["--suspects", "no/where.gpkg"], "does not exist"),
        (["--init", "nowhere.safetensors"], "nowhere.safetensors"),
        (["-o", "taken.safetensors"], "exists"),
    ],
)
def test_a_training_is_refused_before_torch_is_imported(tmp_path, options, refused):
    scene = write_scene(tmp_path / "s.tif", noise())
    (tmp_path / "taken.safetensors").touch()
    square = {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]}
    features = [
        {"type": "Feature", "properties": {"class": name}, "geometry": square} for name in "ab"
    ]
    labels = tmp_path / "l.geojson"
    labels.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    output = [] if "-o" in options else ["-o", "m.safetensors"]
    loaded = imported("train", scene, labels, *output, *options, cwd=tmp_path, refused=refused)
    assert "torch" not in loaded
