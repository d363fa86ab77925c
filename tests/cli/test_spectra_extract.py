"""``geodl spectra extract``: from scenes and points to a table that ``geodl spectra train`` learns from."""

import geopandas
import numpy as np
import pytest

from georaster_dl.models.package.file import read_card
from georaster_dl.spectra.table.samples import read_spectra
from tests.pixels.test_extract import CRS, NM, centre, write_cube


@pytest.fixture
def tiles(tmp_path):
    """Three tiles of mixtures of two materials, and 60 points with the share of the first."""
    random = np.random.default_rng(0)
    pure = np.stack([np.linspace(0.1, 0.5, len(NM)), np.linspace(0.4, 0.2, len(NM))])
    points, shares = [], []
    for tile in range(3):
        share = random.uniform(0, 1, (20, 20))
        spectra = np.einsum("kb,kij->bij", pure, np.stack([share, 1 - share])) - 0.1
        write_cube(tmp_path / f"tile_{tile}.tif", (spectra * 1e4).round().astype(np.int16), left=20 * tile)  # fmt: skip
        chosen = np.unravel_index(random.permutation(share.size)[:20], share.shape)
        for row, col in zip(*chosen, strict=True):
            points.append(centre(row, col + 20 * tile))
            shares.append(share[row, col])
    frame = geopandas.GeoDataFrame({"tree": shares}, geometry=points, crs=CRS)
    frame.to_file(tmp_path / "plots.gpkg")
    return tmp_path


def test_points_of_scenes_become_a_table_that_is_learnt_from(geodl, tiles):
    ran = geodl("spectra", "extract", "tile_*.tif", "plots.gpkg", "-o", "plots.csv")
    assert ran.code == 0, ran.err
    assert ran.out.splitlines() == [
        "60 spectra of 10 bands (500 to 950 nm) from 3 scenes",
        "plots.csv",
    ]
    assert ran.err == ""
    table = read_spectra(tiles / "plots.csv")
    assert table.columns["scene"].value_counts().to_dict() == dict.fromkeys(
        ["tile_0", "tile_1", "tile_2"], 20
    )
    ran = geodl(
        "spectra", "train", "plots.csv", "--task", "fractions", "--target", "tree", "--method", "pls", "--folds", 2,
        "--group-column", "scene", "-o", "tree.safetensors",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert read_card(tiles / "tree.safetensors").metrics["RMSEP tree, test"] < 0.01
    assert geodl("segment", "tile_0.tif", "-m", "tree.safetensors").code == 0


def test_an_existing_table_and_an_input_stay(geodl, tiles):
    (tiles / "plots.csv").write_text("mine")
    ran = geodl("spectra", "extract", "tile_0.tif", "plots.gpkg", "-o", "plots.csv")
    assert ran.code == 1
    assert (tiles / "plots.csv").read_text() == "mine"
    ran = geodl("spectra", "extract", "tile_0.tif", "-o", "plots.parquet")
    assert ran.code == 1
    assert "behind them a file of points or polygons" in ran.err
    ran = geodl("spectra", "extract", "tile_0.tif", "plots.gpkg", "-o", "plots.txt")
    assert ran.code == 1
    assert ".csv" in ran.err


@pytest.mark.realdata
def test_measured_cover_of_enmap_tiles(geodl, real_data, tmp_path):
    points = real_data / "fractions" / "veg-cover-fraction_potsdam_point.gpkg"
    ran = geodl(
        "spectra", "extract", real_data / "enmap_potsdam" / "images" / "*.tif", points, "-o", "cover.parquet"
    )  # fmt: skip
    assert ran.code == 0, ran.err
    table = read_spectra(tmp_path / "cover.parquet")
    assert table.spectra.shape == (200, 218)
    assert table.columns["scene"].nunique() == 18
    assert (table.spectra > 0).all(axis=1).sum() == 195  # the others lie on dark water
    index = (table.spectra[:, 64] - table.spectra[:, 40]) / table.spectra[:, [40, 64]].sum(axis=1)
    assert np.corrcoef(index, table.target("vegetation_fraction"))[0, 1] > 0.5
