"""``geodl timeseries classify --parcels``: polygons with classes, and what does not go with them."""

import geopandas
import numpy as np
import pytest

from georaster_dl.models.package.file import save_model
from georaster_dl.models.registry import create_model
from georaster_dl.testing import write_scene
from tests.series import series_card
from tests.timeseries.parcels.conftest import cells, write_parcels


@pytest.fixture
def given(tmp_path):
    folder = tmp_path / "scenes"
    folder.mkdir()
    random = np.random.default_rng(0)
    for day in ("2020-01-11", "2020-02-20", "2020-03-01"):
        array = random.integers(3000, 7000, (2, 48, 60)).astype("uint16")
        array[:, :12] *= day != "2020-02-20"
        write_scene(folder / f"S2_{day}.tif", array, bands=("B04", "B08"))
    path = tmp_path / "crops.safetensors"
    network = create_model("pse-ltae", in_bands=2, n_classes=3, sensors=(2,))
    series = {"unit": "parcel"}
    save_model(
        path, series_card(n_classes=3, architecture={"name": "pse-ltae"}, series=series), network
    )
    shapes = [cells((2, 10), (3, 23)), cells((20, 41), (10, 14))]
    parcels = write_parcels(tmp_path / "fields.gpkg", shapes, name=["a", "b"])
    return ["timeseries", "classify", folder, "-m", path, "--parcels", parcels]


def test_parcels_get_classes_and_dates(geodl, given):
    ended = geodl(*given, "-o", "out.gpkg", "--progress", "json")
    assert ended.code == 0, ended.err
    done = ended.events[-1]
    assert done["outputs"] == ["out.gpkg"]
    assert (done["parcels"], done["few_dates"], sum(done["classes"].values())) == (2, 1, 2)
    frame = geopandas.read_file("out.gpkg", layer="out")
    assert frame["clear_dates"].tolist() == [2, 3]
    assert frame["few_dates"].tolist() == [True, False]
    shares = frame[[name for name in frame if name.startswith("p_")]].to_numpy()
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-5)


def test_python_gives_the_same(geodl, given, tmp_path):
    import georaster_dl as gdl

    assert geodl(*given, "-o", "out.gpkg").code == 0
    result = gdl.classify_parcels(given[2], given[6], given[4], out=tmp_path / "again.gpkg")
    assert sum(result.counts.values()) == 2
    one, two = (geopandas.read_file(tmp_path / f"{n}.gpkg", layer=n) for n in ("out", "again"))
    np.testing.assert_array_equal(one["confidence"], two["confidence"])


def test_layer_goes_with_parcels(geodl, given):
    assert geodl(*given, "--layer", "fields", "-o", "out.gpkg").code == 0
    wrong = geodl(*given, "--layer", "meadows", "-o", "again.gpkg")
    assert wrong.code != 0
    assert "meadows" in wrong.err
    assert "--parcels" in geodl(*given[:5], "--layer", "fields", "-o", "map.tif").err
