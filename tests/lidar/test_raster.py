"""Rasters of LiDAR: sums by cell, files as one, and what is left out."""

import laspy
import numpy as np
import pyproj
import pytest
import rasterio

from georaster_dl.core.errors import OptionError, SceneError
from georaster_dl.lidar.options import RasterOptions
from georaster_dl.lidar.raster import run, spill
from georaster_dl.lidar.raster.cells import BANDS, UNITS
from georaster_dl.lidar.raster.run import lidar_raster
from tests.lidar.clouds import subset, village, write_cloud, write_copc


def bands(paths, output, **options):
    """Bands by name, and the result."""
    said = []
    made = lidar_raster(paths, output, RasterOptions(**{"cell": 1.0, **options}), said.append)
    with rasterio.open(output) as dataset:
        assert dataset.descriptions == BANDS
        return dict(zip(BANDS, dataset.read(), strict=True)), made


def test_two_halves_of_a_file_are_the_file_to_the_bit(tmp_path):
    cloud = village()
    whole = write_cloud(tmp_path / "whole.laz", **cloud)
    half = np.arange(len(cloud["x"])) % 3 == 0
    parts = [
        write_cloud(tmp_path / "b.las", **subset(cloud, ~half)),
        write_cloud(tmp_path / "a.laz", **subset(cloud, half)),
    ]
    for ground in ("class", "filter"):
        one, _ = bands([whole], tmp_path / f"{ground}1.tif", ground=ground)
        two, _ = bands(parts, tmp_path / f"{ground}2.tif", ground=ground)
        for name in BANDS:
            np.testing.assert_array_equal(one[name], two[name], err_msg=name)


def test_density_times_area_is_the_number_of_points_used(tmp_path):
    found, made = bands(
        [write_cloud(tmp_path / "a.laz", **village())], tmp_path / "b.tif", cell=2.5
    )
    assert np.nansum(found["density"]) * 2.5**2 == pytest.approx(8000)
    assert (made.points, made.dropped) == (8000, 0)


def test_a_point_on_an_edge_belongs_to_one_cell(tmp_path):
    edge = [100.0, 100.3, 100.6, 100.9]
    path = write_cloud(tmp_path / "a.las", edge, np.array(edge) + 100, [1, 2, 3, 4])
    found, made = bands([path], tmp_path / "b.tif", cell=0.3)
    assert made.shape == (4, 4)
    assert np.nansum(found["density"]) * 0.3**2 == pytest.approx(4)
    np.testing.assert_array_equal(np.fliplr(found["dsm"]).diagonal(), [4, 3, 2, 1])


def test_missing_laspy_is_said_with_the_command_that_installs_it(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "laspy", None)
    with pytest.raises(OptionError, match=r"pip install 'georaster_dl\[lidar\]'"):
        bands([tmp_path / "a.laz"], tmp_path / "b.tif")


def test_a_file_that_is_none_is_refused(tmp_path):
    path = tmp_path / "a.laz"
    path.write_bytes(b"LASF" + bytes(400))
    with pytest.raises(SceneError, match="cannot be read as LAS, LAZ or COPC"):
        bands([path], tmp_path / "b.tif")
    assert not (tmp_path / "b.tif").exists()


def test_points_that_make_no_raster_are_told(tmp_path):
    cloud = subset(village(), slice(200))
    path = write_cloud(tmp_path / "a.las", **cloud)
    with pytest.raises(OptionError, match="given twice"):
        bands([path, tmp_path / ".." / tmp_path.name / "a.las"], tmp_path / "b.tif")
    with pytest.raises(SceneError, match="is a folder"):
        bands([tmp_path], tmp_path / "b.tif")
    stray = write_cloud(tmp_path / "stray.las", [0, 650_000], [0, 6_860_000], [1, 2])
    with pytest.raises(OptionError, match=r"stray.las is 6\.86e\+06 units"):
        bands([path, stray], tmp_path / "b.tif", cell=0.1)
    for classes, options, words in (
        (7, {}, "neither noise"),
        (6, {"ground": "class"}, "no point is of ground"),
    ):
        path = write_cloud(tmp_path / f"{classes}.las", **cloud | {"classes": classes})
        said = []
        lidar_raster(
            [path], tmp_path / f"{classes}.tif", RasterOptions(cell=1.0, **options), said.append
        )
        assert any(words in getattr(event, "message", "") for event in said)


def test_noise_and_withheld_points_are_left_out_and_the_rest_is_used(tmp_path):
    x = np.arange(6) + 0.5
    path = write_cloud(
        tmp_path / "a.las", x, x * 0 + 0.5, x + 10, classes=[2, 7, 18, 2, 2, 12], withheld=[0, 0, 0, 1, 0, 0],
        synthetic=[1, 0, 0, 0, 0, 0], key_point=[0, 0, 0, 0, 1, 0], overlap=[0, 0, 0, 0, 1, 0],
    )  # fmt: skip
    found, made = bands([path], tmp_path / "b.tif")
    assert (made.points, made.dropped) == (3, 3)
    np.testing.assert_array_equal(np.isfinite(found["density"][0]), [1, 0, 0, 0, 1, 1])


def test_bands_are_what_their_names_say(tmp_path):
    """Four points of one cell: two of ground, two of a tree."""
    path = write_cloud(
        tmp_path / "a.las", [0.1, 0.2, 0.3, 0.4], [0.5] * 4, [10, 10.2, 15, 13], classes=[2, 2, 5, 5],
        number=[1, 3, 1, 2], returns=[1, 3, 3, 3], intensity=[100, 7, 300, 9],
    )  # fmt: skip
    found, _ = bands([path], tmp_path / "b.tif", cell=2.0)
    values = {name: float(band[0, 0]) for name, band in found.items()}
    expected = {
        "dsm": 15, "dtm": 10.1, "ndsm": 4.9, "intensity": 200, "return_ratio": (1 + 1 + 1 / 3 + 2 / 3) / 4,
        "multi_share": 0.75, "density": 1, "roughness": np.std([10, 10.2, 15, 13]), "above_2m": 0.5,
    }  # fmt: skip
    assert values == pytest.approx(expected, rel=1e-6)
    with rasterio.open(tmp_path / "b.tif") as dataset:
        assert dataset.units == UNITS
        assert dataset.tags(3)["modality"] == "lidar"
        assert np.isnan(dataset.nodata)


def test_blocks_meet_without_a_seam(tmp_path, monkeypatch):
    path = write_cloud(tmp_path / "a.laz", **village(n=20_000))
    for ground in ("class", "filter"):
        whole, _ = bands([path], tmp_path / f"{ground}1.tif", ground=ground, fill=2)
        for module in (spill, run):
            monkeypatch.setattr(module, "BLOCK", 32)
        parts, _ = bands([path], tmp_path / f"{ground}2.tif", ground=ground, fill=2)
        monkeypatch.undo()
        for name in BANDS:
            np.testing.assert_array_equal(whole[name], parts[name], err_msg=name)


def test_terrain_goes_on_below_a_house_and_above_the_terrain_is_the_house(tmp_path):
    path = write_cloud(tmp_path / "a.laz", **village())
    for ground in ("class", "filter"):
        found, made = bands([path], tmp_path / f"{ground}.tif", ground=ground)
        assert made.ground == ground
        house = found["ndsm"][-36:-24, 24:36]
        assert np.nanmedian(house) == pytest.approx(6, abs=0.15)
        assert np.nanmin(found["ndsm"]) >= 0
        dtm = found["dtm"][10:20, :100]
        truth = 50 + 0.02 * (np.arange(100) + 0.5)
        assert np.nanmax(abs(dtm - truth)) < 0.2


def test_the_grid_of_another_raster_is_taken(tmp_path):
    cloud = village()
    path = write_cloud(tmp_path / "a.laz", **cloud)
    whole, _ = bands([path], tmp_path / "whole.tif", ground="filter")
    with rasterio.open(tmp_path / "whole.tif") as dataset:
        profile = dataset.profile
    profile |= {"count": 1, "height": 40, "width": 30, "tiled": False, "driver": "GTiff"}
    for key in ("blockxsize", "blockysize", "interleave"):
        profile.pop(key, None)
    profile["transform"] = profile["transform"] @ rasterio.Affine.translation(32, 32)
    with rasterio.open(tmp_path / "like.tif", "w", **profile) as dataset:
        dataset.write(np.zeros((40, 30), np.float32), 1)
    part, made = bands(
        [path], tmp_path / "part.tif", cell=None, like=tmp_path / "like.tif", ground="filter"
    )
    assert made.shape == (40, 30)
    for name in BANDS:
        np.testing.assert_array_equal(part[name], whole[name][32:72, 32:62], err_msg=name)


def test_feet_become_metres(tmp_path):
    cloud = village(n=2000, origin=(200_000.0, 300_000.0))
    feet = {**cloud, **{name: cloud[name] / 0.3048 for name in "xyz"}}
    path = write_cloud(tmp_path / "a.las", **feet, crs="EPSG:2222")  # Arizona East, feet
    said = []
    made = lidar_raster([path], tmp_path / "b.tif", RasterOptions(cell=4.0), said.append)
    assert made.cell == pytest.approx(4.0)
    assert "all bands are in metres" in " ".join(getattr(event, "message", "") for event in said)
    with rasterio.open(tmp_path / "b.tif") as dataset:
        assert dataset.res[0] == pytest.approx(4 / 0.3048)
        assert np.nansum(dataset.read(7)) * 16 == pytest.approx(2000, rel=1e-4)
        assert np.nanmax(dataset.read(3)) == pytest.approx(8, abs=1.5)


def test_files_of_two_crs_are_refused_and_none_is_warned_about(tmp_path):
    cloud = subset(village(), slice(200))
    one, other = (
        write_cloud(tmp_path / "a.las", **cloud),
        write_cloud(tmp_path / "b.las", **cloud, crs=32631),
    )
    with pytest.raises(OptionError, match=r"a.las is in EPSG:2154 and b.las in EPSG:32631"):
        bands([one, other], tmp_path / "c.tif")
    none = write_cloud(tmp_path / "none.las", **cloud, crs=None)
    said = []
    lidar_raster([none], tmp_path / "d.tif", RasterOptions(cell=1.0), said.append)
    assert any("no file states its CRS" in getattr(event, "message", "") for event in said)
    lidar_raster([none], tmp_path / "e.tif", RasterOptions(cell=1.0, crs="EPSG:2154"))
    with rasterio.open(tmp_path / "e.tif") as dataset:
        assert dataset.crs.to_epsg() == 2154
    degrees = write_cloud(
        tmp_path / "f.las", [5.0, 5.1], [50.0, 50.1], [1, 2], crs=4326, scale=1e-7
    )
    with pytest.raises(OptionError, match="whose units are no lengths"):
        bands([degrees], tmp_path / "g.tif")
    x, y = np.random.default_rng(0).uniform(48, 48.01, (2, 2000))
    unstated = write_cloud(tmp_path / "h.las", x, y, x, crs=None, scale=1e-7)
    with pytest.raises(OptionError, match="look like degrees"):
        bands([unstated], tmp_path / "i.tif")


def test_one_crs_that_two_programs_write_differently_is_one(tmp_path):
    path = write_cloud(tmp_path / "a.las", **subset(village(), slice(200)))
    unnamed = (
        pyproj.CRS(2154).to_wkt("WKT1_GDAL").replace("Reseau_Geodesique_Francais_1993", "unnamed")
    )
    grid = {
        "height": 10,
        "width": 10,
        "transform": rasterio.Affine(1, 0, 650_000, 0, -1, 6_860_010),
    }
    for name, crs in (("same", unnamed), ("other", "EPSG:32631")):
        with rasterio.open(
            tmp_path / f"{name}.tif", "w", driver="GTiff", count=1, dtype="uint8", crs=crs, **grid
        ) as dataset:
            dataset.write(np.ones((1, 10, 10), np.uint8))
    _, made = bands([path], tmp_path / "b.tif", cell=None, like=tmp_path / "same.tif")
    assert made.shape == (10, 10)
    with pytest.raises(OptionError, match="warp the raster"):
        bands([path], tmp_path / "c.tif", cell=None, like=tmp_path / "other.tif")


@pytest.mark.parametrize(("kind", "ending"), [(0, "las"), (3, "laz"), (6, "laz"), (8, "las")])
def test_point_formats_of_las_1_2_to_1_4_give_the_same_bands(tmp_path, kind, ending):
    cloud = subset(village(), slice(1000))
    other = write_cloud(tmp_path / f"a.{ending}", **cloud, point_format=kind)
    usual = write_cloud(tmp_path / "b.las", **cloud)
    one, _ = bands([other], tmp_path / "1.tif")
    two, _ = bands([usual], tmp_path / "2.tif")
    for name in BANDS:
        np.testing.assert_array_equal(one[name], two[name], err_msg=name)


def test_of_a_compound_crs_the_horizontal_part_is_taken_and_feet_of_heights_become_metres(tmp_path):
    cloud = village(n=2000, origin=(650_000.0, 3_700_000.0))
    metres = write_cloud(tmp_path / "metres.las", **cloud, crs=26912)
    feet = {**cloud, "z": cloud["z"] * 3937 / 1200}
    path = write_cloud(tmp_path / "feet.las", **feet, crs="EPSG:26912+6360")
    usual, _ = bands([metres], tmp_path / "1.tif", ground="class")
    found, _ = bands([path], tmp_path / "2.tif", ground="class")
    for name in BANDS:
        np.testing.assert_allclose(found[name], usual[name], atol=2e-3, err_msg=name)
    with rasterio.open(tmp_path / "2.tif") as dataset:
        assert dataset.crs.to_epsg() == 26912


def test_a_copc_file_gives_the_bands_of_its_laz_to_the_bit(tmp_path):
    pytest.importorskip("copclib")
    path = write_cloud(tmp_path / "a.laz", **village())
    copc = write_copc(tmp_path / "a.copc.laz", path)
    assert copc.read_bytes()[377:381] == b"copc"
    assert not np.array_equal(laspy.read(path).X, laspy.read(copc).X)
    for ground in ("class", "filter"):
        one, _ = bands([path], tmp_path / f"{ground}1.tif", ground=ground)
        two, _ = bands([copc], tmp_path / f"{ground}2.tif", ground=ground)
        for name in BANDS:
            np.testing.assert_array_equal(one[name], two[name], err_msg=name)
