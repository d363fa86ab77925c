"""Mosaics: each pixel from the right map, whatever their grids, and looks that stay."""

import json
import shutil

import numpy as np
import pyproj
import pytest
import rasterio
import rasterio.shutil
from affine import Affine
from odc.geo.geobox import GeoBox
from rio_cogeo.cogeo import cog_validate

from georaster_dl.core.errors import OptionError, OutputError, SceneError
from georaster_dl.core.legend import Legend, MapClass
from georaster_dl.io.output.provenance import labels_tags, trained_on
from georaster_dl.mosaics.build import MosaicOptions, mosaic
from georaster_dl.mosaics.grid import _covered, lay_out
from georaster_dl.mosaics.maps import open_map
from tests.maps import read_bands
from tests.mosaics import (
    LEFT,
    LEGEND,
    NODATA,
    SIZE,
    TOP,
    ZONE_32,
    grid,
    random_classes,
    write_classes,
    write_confidence,
    write_values,
)

BOTH = pytest.mark.parametrize("ending", [".vrt", ".tif"])
EARLY = "S2A_MSIL2A_20200101T105321_N0213_R051_T31TCJ_20230505T112233.SAFE"
LATE = "S2A_MSIL2A_20210101T105321_N0213_R051_T31TCJ_20210505T112233.SAFE"


@pytest.fixture
def files(tmp_path):
    """Everything below the test's folder, by name."""
    return lambda: {path.name: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


def full(value, shape=(8, 8)):
    return np.full(shape, value, np.uint8)


def overlapping(folder, **tags):
    """Two maps of 8 x 8 pixels, of classes 1 and 3, that share 4 columns."""
    return [
        write_classes(folder / "a.tif", full(1), grid((8, 8)), **tags),
        write_classes(folder / "b.tif", full(3), grid((8, 8), col=4), **tags),
    ]


@pytest.mark.slow
@BOTH
def test_the_quarters_of_a_map_make_the_map(tmp_path, ending, monkeypatch):
    monkeypatch.setattr("georaster_dl.mosaics.tif._WINDOW_BYTES", 1)  # windows of one block
    array = random_classes((700, 1100))
    parts = []
    for row, rows in ((0, slice(0, 300)), (300, slice(300, 700))):
        for col, cols in ((0, slice(0, 600)), (600, slice(600, 1100))):
            part = array[rows, cols]
            path = tmp_path / f"{row}_{col}.tif"
            parts.append(write_classes(path, part, grid(part.shape, row, col)))
    parts.reverse()  # the first does not lie at the corner
    seen = []
    out = tmp_path / f"m{ending}"
    made = mosaic(parts, out, begin=lambda total: seen.append(-total) or seen.append)
    assert made.shape == array.shape
    assert (read_bands(out)[0] == array).all()
    assert sum(seen) == 0 or ending == ".vrt"
    with rasterio.open(out) as dataset:
        assert dataset.transform == grid(array.shape).affine
        assert dataset.crs.to_epsg() == 32631
        assert dataset.overviews(1) == [2, 4]
        assert set(np.unique(dataset.read(1, out_shape=(175, 275)))) <= {*LEGEND.values, NODATA}


def test_a_tif_is_a_valid_cog(tmp_path):
    mosaic(overlapping(tmp_path), tmp_path / "m.tif")
    assert cog_validate(tmp_path / "m.tif", strict=True)[0]


@BOTH
def test_the_first_named_wins(tmp_path, ending):
    a, b = overlapping(tmp_path)
    mosaic([a, b], tmp_path / f"ab{ending}")
    mosaic([b, a], tmp_path / f"ba{ending}")
    assert (read_bands(tmp_path / f"ab{ending}")[0] == [1] * 8 + [3] * 4).all()
    assert (read_bands(tmp_path / f"ba{ending}")[0] == [1] * 4 + [3] * 8).all()


@BOTH
def test_no_data_comes_from_the_next(tmp_path, ending):
    holes = full(1)
    holes[2:4] = NODATA
    a = write_classes(tmp_path / "a.tif", holes, grid((8, 8)))
    part = full(NODATA)
    part[2] = 3
    b = write_classes(tmp_path / "b.tif", part, grid((8, 8)))
    out = tmp_path / f"m{ending}"
    mosaic([a, b], out)
    assert read_bands(out)[0, :, 0].tolist() == [1, 1, 3, NODATA, 1, 1, 1, 1]


@BOTH
def test_the_newest_wins(tmp_path, ending):
    a = write_classes(tmp_path / "a.tif", full(1), grid((8, 8)), GEORASTER_DL_INPUT=EARLY)
    b = write_classes(tmp_path / "b.tif", full(3), grid((8, 8)), GEORASTER_DL_INPUT=LATE)
    out = tmp_path / f"m{ending}"
    made = mosaic([a, b], out, MosaicOptions("date"))
    assert (read_bands(out) == 3).all()
    assert made.maps == [b, a]


@pytest.mark.parametrize(
    ("tags", "name", "newer"),
    [
        ({"GEORASTER_DL_INPUT_FILES": "T31TCJ_20220101T105321_B02.jp2"}, "x.tif", True),
        ({"GEORASTER_DL_INPUT": "scene.tif"}, "m_20220101T105321.tif", True),
        ({}, "m_20190101T105321.tif", False),
        # Made in 2022, of a scene of 2016.
        (
            {
                "GEORASTER_DL_INPUT": "S2A_OPER_PRD_MSIL1C_PDMC_20220101T000000_R008_V20160101T105321"
            },
            "x.tif",
            False,
        ),
        ({"GEORASTER_DL_INPUT": "scene_20220101.tif"}, "x_20190101.tif", True),
        ({"GEORASTER_DL_INPUT": "LC08_L2SP_042034_20220101_20220110_02"}, "x.tif", True),
        ({"GEORASTER_DL_INPUT": "scene.tif"}, "east_2022-01-01.tif", True),
        ({"GEORASTER_DL_INPUT": "scene.tif"}, "east 2022_01_01.tif", True),
        ({"GEORASTER_DL_INPUT": "2019-12-31T10-53"}, "2022-01-01.tif", False),
        # A time is surer than digits before it; the day of a scene begins before its hours.
        ({"GEORASTER_DL_INPUT": "20221231_20190101T105321"}, "x.tif", False),
        ({"GEORASTER_DL_INPUT": "scene_20200101"}, "x.tif", False),
    ],
)
def test_dates_are_found(tmp_path, tags, name, newer):
    known = write_classes(tmp_path / "a.tif", full(1), grid((8, 8)), GEORASTER_DL_INPUT=EARLY)
    other = write_classes(tmp_path / name, full(3), grid((8, 8)), **tags)
    made = mosaic([known, other], tmp_path / "m.vrt", MosaicOptions("date"))
    assert made.maps == ([other, known] if newer else [known, other])


@pytest.mark.parametrize(
    "name",
    ["a20220101", "20220101b", "120220101", "20221301", "19010101", "21010101", "2022-01_01"],
)
def test_digits_that_are_no_date(tmp_path, name):
    path = write_classes(tmp_path / f"{name}.tif", full(1), grid((8, 8)))
    with pytest.raises(OptionError, match="YYYYMMDD or YYYY-MM-DD in the name of the scene"):
        mosaic([path], tmp_path / "m.vrt", MosaicOptions("date"))


def test_maps_of_one_date_keep_their_order(tmp_path):
    a, b = overlapping(tmp_path, GEORASTER_DL_INPUT=EARLY)
    for order in ([a, b], [b, a]):
        made = mosaic(order, tmp_path / "m.vrt", MosaicOptions("date", overwrite=True))
        assert made.maps == order


def test_the_most_confident_wins(tmp_path):
    array = full(1)
    array[7] = NODATA
    a = write_classes(tmp_path / "a.tif", array, grid((8, 8)))
    b = write_classes(tmp_path / "b.tif", full(3), grid((8, 8), col=2))
    sure, other = full(100), full(100)
    sure[:2] = 200
    other[2:4] = 150
    other[5] = 255  # unknown counts as the least
    write_confidence(a, sure, grid((8, 8)))
    write_confidence(b, other, grid((8, 8), col=2))
    mosaic([a, b], tmp_path / "m.tif", MosaicOptions("confidence"))
    found = read_bands(tmp_path / "m.tif")[0]
    assert found[:, 4].tolist() == [1, 1, 3, 3, 1, 1, 1, 3]  # ties go to the first
    assert found[:, 0].tolist() == [1] * 7 + [NODATA]
    assert (found[:, 8:] == 3).all()  # also where its confidence is unknown


RUN = {
    "GEORASTER_DL_MODEL_SHA256": "abc",
    "GEORASTER_DL_INPUT": "scene.tif",
    "GEORASTER_DL_INPUT_FILES": "scene.tif",
    "GEORASTER_DL_PARAMETERS": "halo=64",
    "TIFFTAG_DATETIME": "2026:01:02 10:00:00",
}


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("GEORASTER_DL_MODEL_SHA256", "another model"),
        ("GEORASTER_DL_INPUT", "another scene"),
        ("GEORASTER_DL_INPUT_FILES", "other files"),
        ("GEORASTER_DL_PARAMETERS", "other parameters"),
        ("TIFFTAG_DATETIME", "another run"),
    ],
)
def test_the_confidence_of_another_run_is_refused(tmp_path, files, key, told):
    a = write_classes(tmp_path / "a.tif", full(1), grid((8, 8)), **RUN)
    write_confidence(a, full(9), grid((8, 8)), **RUN | {key: "2026:01:01 10:00:00"})
    before = files()
    expected = rf"a_confidence\.tif is of {told} than a\.tif .*map that scene again"
    with pytest.raises(OptionError, match=expected):
        mosaic([a], tmp_path / "m.tif", MosaicOptions("confidence"))
    assert files() == before


def test_the_confidence_of_the_same_run_or_of_an_edited_map(tmp_path):
    a = write_classes(tmp_path / "a.tif", full(1), grid((8, 8)), **RUN)
    b = write_classes(
        tmp_path / "b.tif", full(3), grid((8, 8))
    )  # whose tags another program dropped
    write_confidence(a, full(9), grid((8, 8)), **RUN)
    write_confidence(b, full(10), grid((8, 8)), **RUN)
    mosaic([a, b], tmp_path / "m.tif", MosaicOptions("confidence"))
    assert (read_bands(tmp_path / "m.tif") == 3).all()


def stacked(folder, *columns):
    """Maps of one place, each with these classes from top to bottom."""
    arrays = [np.repeat(np.array(column)[:, None], 4, axis=1) for column in columns]
    return [
        write_classes(folder / f"{name}.tif", array, grid(array.shape))
        for name, array in zip("abc", arrays, strict=False)
    ]


@pytest.mark.parametrize("without", [("water", "grass & low"), ("water,grass & low",)])
def test_classes_to_do_without_come_from_the_next(tmp_path, without):
    no = NODATA
    maps = stacked(
        tmp_path, [1, 1, 1, 3, 4, no, no], [4, 3, no, no, 3, 1, no], [4, no, 4, 1, 1, 4, 3]
    )
    mosaic(maps, tmp_path / "m.tif", MosaicOptions(fill_class=without))
    # Where all have such a class, the first's stays.
    assert read_bands(tmp_path / "m.tif")[0, :, 0].tolist() == [4, 1, 4, 3, 4, 4, 3]
    with rasterio.open(tmp_path / "m.tif") as dataset:
        assert dataset.tags()["GEORASTER_DL_WITHOUT"] == "water,grass & low"


def test_the_surest_class_to_do_without(tmp_path):
    a, b, c = stacked(tmp_path, [1, 1, 1, 4], [4, 3, 1, 3], [3, 4, NODATA, 1])
    for path, sure in ((a, [200] * 4), (b, [20, 30, 250, 40]), (c, [10, 40, 9, 250])):
        confidence = np.repeat(np.array(sure)[:, None], 4, axis=1)
        write_confidence(path, confidence, grid((4, 4)))
    mosaic([a, b, c], tmp_path / "m.tif", MosaicOptions("confidence", fill_class=("water",)))
    assert read_bands(tmp_path / "m.tif")[0, :, 0].tolist() == [4, 4, 1, 4]


def test_a_class_with_a_comma_in_its_name(tmp_path):
    legend = Legend((MapClass(1, "built, low", (1, 1, 1)), MapClass(2, "water", (2, 2, 2))))
    a, b = (
        write_classes(tmp_path / f"{n}.tif", full(n), grid((8, 8)), legend=legend) for n in (1, 2)
    )
    mosaic([a, b], tmp_path / "m.tif", MosaicOptions(fill_class=("built, low",)))
    assert (read_bands(tmp_path / "m.tif") == 2).all()


def test_what_cannot_be_done_without(tmp_path, files):
    a, _ = overlapping(tmp_path)
    values = write_values(tmp_path / "v.tif", np.ones((1, 8, 8)), grid((8, 8)))
    before = files()
    for path, out, names, told in (
        (a, "m.vrt", "water", r"`fill_class=` decides pixel by pixel, .* end the name in \.tif"),
        (a, "m.tif", "water,cloud", "names 'cloud', but .* 'water', 'grass & low', 'built-up'"),
        (values, "m.tif", "water", r"v\.tif is a map of a quantity"),
    ):
        with pytest.raises(OptionError, match=told):
            mosaic([path], tmp_path / out, MosaicOptions(fill_class=(names,)))
    with pytest.raises(OptionError, match="`crs=` and `polygons=` are for a mosaic"):
        mosaic([a], None, MosaicOptions(fill_class=("water",)), stac=tmp_path / "stac")
    assert files() == before


def test_a_mosaic_of_distant_maps_is_refused(tmp_path, files):
    near = write_classes(tmp_path / "a.tif", full(1), grid((8, 8)))
    far = write_classes(tmp_path / "b.tif", full(1), grid((8, 8), 40_000, 50_000))
    zone = write_classes(tmp_path / "z.tif", full(1), grid((8, 8), 40_000, crs=ZONE_32))
    before = files()
    size = (
        r"m\.tif would have 40,008 x 50,008 pixels and take 2\.7 GB, but maps cover only 6\.4e-06 %"
    )
    with pytest.raises(OptionError, match=rf"{size} of it; end the name in \.vrt"):
        mosaic([near, far], tmp_path / "m.tif", stac=tmp_path / "stac")
    with pytest.raises(OptionError, match="join fewer maps, .* or choose another `crs=`"):
        mosaic([near, zone], tmp_path / "m.tif")
    assert files() == before
    mosaic([near, far], tmp_path / "m.vrt")


def test_a_mosaic_that_its_disk_cannot_hold_is_refused(tmp_path, files, monkeypatch):
    monkeypatch.setattr("georaster_dl.mosaics.grid._MOSTLY_EMPTY", 0)
    near = write_classes(tmp_path / "a.tif", full(1), grid((8, 8)))
    far = write_classes(tmp_path / "b.tif", full(1), grid((8, 8), 10**8, 10**8))
    before = files()
    with pytest.raises(OutputError, match=r"take 133\d{5}\.\d GB, but .* GB are free; free some"):
        mosaic([near, far], tmp_path / "m.tif")
    assert files() == before


def test_what_maps_cover_is_counted_once(tmp_path):
    maps = [
        open_map(write_classes(tmp_path / f"{i}.tif", full(1), grid((8, 8), row, col)))
        for i, (row, col) in enumerate([(0, 0), (0, 0), (4, 4), (20, 2)])
    ]
    layout = lay_out(maps, maps)
    assert layout.geobox.shape == (28, 12)
    assert _covered(layout.placed) == 8 * 8 * 3 - 4 * 4


def test_an_interrupt_leaves_nothing_behind(tmp_path, files):
    maps = overlapping(tmp_path)
    before = files()

    def interrupted(_done):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        mosaic(maps, tmp_path / "m.tif", begin=lambda _total: interrupted)
    assert files() == before


def test_another_zone_is_resampled_to_the_nearest_pixel(tmp_path):
    """Against pyproj, pixel by pixel; a thousandth of a pixel may go either way."""
    array = random_classes((90, 80), seed=4)
    to_32 = pyproj.Transformer.from_crs(32631, 32632, always_xy=True)
    left, top = (SIZE * round(c / SIZE) for c in to_32.transform(LEFT + 300, TOP - 200))
    there = grid(array.shape, crs=ZONE_32, left=left, top=top)
    a = write_classes(tmp_path / "a.tif", full(1), grid((8, 8)))
    b = write_classes(tmp_path / "b.tif", array, there)
    out = tmp_path / "m.tif"
    mosaic([a, b], out)
    found = read_bands(out)[0]
    with rasterio.open(out) as dataset:
        assert dataset.crs.to_epsg() == 32631
        step = ~grid((8, 8)).affine * dataset.transform
        assert (step.c, step.f) == (round(step.c), round(step.f))
        rows, cols = np.indices(dataset.shape)
        places = to_32.transform(*(dataset.transform * (cols + 0.5, rows + 0.5)))
    x, y = ~there.affine * places
    inside = (x > 0) & (x < 80) & (y > 0) & (y < 90)
    assert inside.sum() > 7000
    expected = np.where(inside, array[y.astype(int).clip(0, 89), x.astype(int).clip(0, 79)], NODATA)
    near = np.minimum(abs(x - x.round()), abs(y - y.round())) < 2e-3
    own = np.zeros(found.shape, bool)
    corner = np.round(~dataset.transform * (LEFT, TOP)).astype(int)
    own[corner[1] : corner[1] + 8, corner[0] : corner[0] + 8] = True
    assert (found[own] == 1).all()
    assert (found == expected)[~near & ~own].all()


def test_a_crs_of_choice(tmp_path):
    maps = [
        write_classes(tmp_path / "a.tif", full(1, (60, 60)), grid((60, 60))),
        write_classes(tmp_path / "b.tif", full(3, (60, 60)), grid((60, 60), crs=ZONE_32)),
    ]
    geographic = tmp_path / "g.tif"
    mosaic(maps[:1], geographic, MosaicOptions(crs="EPSG:4326"))
    # Of a CRS that one of the maps has, its pixels are taken.
    mosaic(maps[::-1], tmp_path / "m.tif", MosaicOptions(crs="EPSG:32631"))
    with rasterio.open(geographic) as dataset, rasterio.open(tmp_path / "m.tif") as other:
        assert dataset.crs.to_epsg() == 4326
        assert dataset.bounds.left < 3 < dataset.bounds.right
        # As large on the ground: rows and columns are no longer alike.
        assert (dataset.read(1) == 1).sum() == pytest.approx(3600, rel=0.03)
        step = ~grid((60, 60)).affine * other.transform
        assert (step.a, step.e) == (1, 1)
        assert step.c == round(step.c)


def test_pixels_of_another_size(tmp_path):
    coarse = np.array([[1, 3], [4, NODATA]])
    a = write_classes(tmp_path / "a.tif", full(1, (1, 1)), grid((1, 1), row=9))
    b = write_classes(tmp_path / "b.tif", coarse, grid((2, 2), size=20))
    mosaic([a, b], tmp_path / "m.tif")
    found = read_bands(tmp_path / "m.tif")[0]
    assert found.shape == (10, 4)
    assert (found[:4] == np.kron(coarse, np.ones((2, 2)))).all()
    with pytest.raises(
        OptionError, match=r"b\.tif is not on the grid of .*a\.tif: its pixels are 20"
    ):
        mosaic([a, b], tmp_path / "m.vrt")


def test_a_vrt_needs_one_grid(tmp_path, files):
    a, _ = overlapping(tmp_path)
    half = write_classes(tmp_path / "h.tif", full(1), grid((8, 8), col=0.5))
    zone = write_classes(tmp_path / "z.tif", full(1), grid((8, 8), crs=ZONE_32))
    before = files()
    with pytest.raises(OptionError, match=r"h\.tif .*whole number of pixels.* \.tif, which reproj"):
        mosaic([a, half], tmp_path / "m.vrt")
    with pytest.raises(OptionError, match=r"z\.tif .*its CRS is EPSG:32632, not EPSG:32631"):
        mosaic([a, zone], tmp_path / "m.vrt")
    with pytest.raises(OptionError, match=r"`crs=` is not for it; end the name in \.tif"):
        mosaic([a], tmp_path / "m.vrt", MosaicOptions(crs="EPSG:32632"))
    with pytest.raises(OptionError, match=r"a \.vrt cannot; end the name in \.tif"):
        mosaic([a], tmp_path / "m.vrt", MosaicOptions("confidence"))
    with pytest.raises(OptionError, match=r"`crs=` must name a CRS .* not 'EPSG:1'"):
        mosaic([a], tmp_path / "m.tif", MosaicOptions(crs="EPSG:1"))
    with pytest.raises(OptionError, match=r"EPSG:5773 is a Vertical CRS"):
        mosaic([a], tmp_path / "m.tif", MosaicOptions(crs="EPSG:5773"))
    with pytest.raises(OptionError, match=r"a\.tif has no place in the CRS of the mosaic"):
        mosaic([a], tmp_path / "m.tif", MosaicOptions(crs="+proj=geos +h=35785831 +lon_0=180"))
    assert files() == before


def test_a_vrt_moves_with_its_maps(tmp_path):
    home = tmp_path / "home"
    (home / "maps").mkdir(parents=True)
    maps = overlapping(home / "maps")
    (home / "out").mkdir()
    mosaic(maps, home / "out" / "m.vrt")
    before = read_bands(home / "out" / "m.vrt")
    shutil.move(home, tmp_path / "elsewhere")
    assert (read_bands(tmp_path / "elsewhere" / "out" / "m.vrt") == before).all()
    assert str(tmp_path) not in (tmp_path / "elsewhere" / "out" / "m.vrt").read_text()


def test_a_vrt_beside_its_maps_named_by_a_link(tmp_path):
    """Paths are from where the VRT really stands."""
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "deep" / "er")
    mosaic(overlapping(tmp_path), tmp_path / "link" / "m.vrt")
    assert (read_bands(tmp_path / "deep" / "er" / "m.vrt")[0] == [1] * 8 + [3] * 4).all()


@BOTH
def test_names_and_colours_stay(tmp_path, ending):
    maps = overlapping(
        tmp_path,
        GEORASTER_DL_MODEL="net 1",
        GEORASTER_DL_MODEL_SHA256="abc",
        GEORASTER_DL_CONTENT="map",
        **labels_tags({"labels": "a.gpkg, b.gpkg", "labels_sha256": "0a, 0b"}),
    )
    out = tmp_path / f"m{ending}"
    mosaic(maps, out)
    assert trained_on(out) == (["a.gpkg", "b.gpkg"], ["0a", "0b"])
    with rasterio.open(out) as dataset, rasterio.open(maps[0]) as source:
        assert dataset.colormap(1) == source.colormap(1)
        assert dataset.colorinterp == source.colorinterp
        assert dataset.descriptions == ("land cover",)
        assert (dataset.nodata, dataset.dtypes) == (NODATA, ("uint8",))
        tags = dataset.tags()
    assert json.loads(tags["CLASS_NAMES"]) == {str(c.value): c.name for c in LEGEND.classes}
    assert tags["GEORASTER_DL_MAPS"] == "a.tif b.tif"
    assert tags["GEORASTER_DL_RULE"] == "order"
    assert (tags["GEORASTER_DL_MODEL"], tags["GEORASTER_DL_MODEL_SHA256"]) == ("net 1", "abc")
    assert (tmp_path / "m.qml").read_text() == (tmp_path / "a.qml").read_text()
    # What GDAL itself knows of the classes goes with it into another format.
    rasterio.shutil.copy(out, tmp_path / "copy.png", driver="PNG")
    table = (tmp_path / "copy.png.aux.xml").read_text()
    assert "<F>grass &amp; low</F>" in table
    assert (out.with_name("m.vrt.aux.xml")).exists() is False


def test_classes_beyond_a_byte(tmp_path):
    legend = Legend((MapClass(2, "two", (9, 8, 7)), MapClass(300, "many", (1, 2, 3))))
    array = np.array([[2, 300, legend.nodata]])
    a = write_classes(tmp_path / "a.tif", array, grid((1, 3)), legend=legend)
    b = write_classes(tmp_path / "b.tif", array[:, ::-1], grid((1, 3)), legend=legend)
    for ending in (".vrt", ".tif"):
        out = tmp_path / f"m{ending}"
        mosaic([a, b], out)
        assert read_bands(out)[0].tolist() == [[2, 300, 2]]
        with rasterio.open(out) as dataset:
            assert dataset.colormap(1)[300] == (1, 2, 3, 255)


@BOTH
def test_quantities(tmp_path, ending):
    left = np.arange(2 * 8 * 8, dtype=np.float32).reshape(2, 8, 8)
    left[:, 3] = np.nan
    names = ("biomass", "half width")
    a = write_values(tmp_path / "a.tif", left, grid((8, 8)), names=names)
    b = write_values(
        tmp_path / "b.tif", np.full((2, 8, 8), 500.0), grid((8, 8), col=4), names=names
    )
    out = tmp_path / f"m{ending}"
    mosaic([a, b], out)
    expected = np.full((2, 8, 12), 500, np.float32)
    expected[:, :, :8] = left
    expected[:, 3, 4:] = 500
    found = read_bands(out)
    assert ((found == expected) | np.isnan(expected) & np.isnan(found)).all()
    with rasterio.open(out) as dataset:
        assert dataset.descriptions == names
        assert dataset.units == ("t/ha", "t/ha")
        assert np.isnan(dataset.nodata)
    assert 'type="singlebandpseudocolor"' in (tmp_path / "m.qml").read_text()


OTHER_CLASSES = {
    "'water' is 1 in .*a.tif but 4 in .*b.tif": [(4, "water"), (3, "grass & low"), (1, "built-up")],
    "only .*b.tif has 'snow'": [(1, "water"), (3, "grass & low"), (4, "built-up"), (5, "snow")],
    "only .*a.tif has 'built-up' and only .*b.tif has 'road'": [
        (1, "water"),
        (3, "grass & low"),
        (4, "road"),
    ],
}


@pytest.mark.parametrize("told", OTHER_CLASSES)
def test_other_classes_are_refused(tmp_path, told):
    classes = [MapClass(value, name, (value, 0, 0)) for value, name in OTHER_CLASSES[told]]
    a = write_classes(tmp_path / "a.tif", full(1), grid((8, 8)))
    b = write_classes(tmp_path / "b.tif", full(1), grid((8, 8)), legend=Legend(tuple(classes)))
    with pytest.raises(OptionError, match=told):
        mosaic([a, b], tmp_path / "m.vrt")


def test_the_order_of_classes_and_their_colours_may_differ(tmp_path):
    a, _ = overlapping(tmp_path)
    recoloured = [MapClass(c.value, c.name, (7, 7, c.value)) for c in LEGEND.classes[::-1]]
    b = write_classes(tmp_path / "c.tif", full(3), grid((8, 8)), legend=Legend(tuple(recoloured)))
    mosaic([a, b], tmp_path / "m.vrt")
    with rasterio.open(tmp_path / "m.vrt") as dataset, rasterio.open(a) as first:
        assert dataset.colormap(1) == first.colormap(1)


def test_other_quantities_are_refused(tmp_path):
    array = np.ones((1, 8, 8))
    a = write_values(tmp_path / "a.tif", array, grid((8, 8)))
    unit = write_values(tmp_path / "u.tif", array, grid((8, 8)), unit="kg/m2")
    name = write_values(tmp_path / "n.tif", array, grid((8, 8)), names=("height",), unit="")
    classes = write_classes(tmp_path / "c.tif", full(1), grid((8, 8)))
    for other, told in (
        (unit, "'biomass' in t/ha but .*u.tif holds 'biomass' in kg/m2"),
        (name, "n.tif holds 'height' without a unit"),
        (classes, "a.tif is a map of values but .*c.tif is one of classes"),
    ):
        with pytest.raises(OptionError, match=told):
            mosaic([a, other], tmp_path / "m.tif")


def test_what_is_no_map_is_refused(tmp_path):
    a, _ = overlapping(tmp_path)
    write_confidence(a, full(9), grid((8, 8)))
    nowhere = write_classes(tmp_path / "n.tif", full(1), grid((8, 8), crs=None))
    content = write_values(
        tmp_path / "f.tif", np.ones((1, 8, 8)), grid((8, 8)), GEORASTER_DL_CONTENT="features"
    )
    clusters = [
        write_classes(tmp_path / f"k{i}.tif", full(1), grid((8, 8)), name="clusters")
        for i in (1, 2)
    ]
    for maps, told in (
        ([a, tmp_path / "a_confidence.tif"], "is uint8 with nodata 255.0 and names no classes"),
        ([nowhere], "n.tif has no CRS"),
        ([content], "f.tif holds features, but a mosaic is made of maps"),
        (clusters, "numbers anew for every scene"),
        ([a, a], "a.tif is named twice"),
    ):
        with pytest.raises(OptionError, match=told):
            mosaic(maps, tmp_path / "m.tif")
    with pytest.raises(SceneError, match=r"gone\.tif cannot be opened"):
        mosaic([a, tmp_path / "gone.tif"], tmp_path / "m.tif")


def test_missing_dates_and_confidences(tmp_path):
    a, b = overlapping(tmp_path, GEORASTER_DL_INPUT="scene.tif")
    with pytest.raises(OptionError, match=r"No date is known for .*a\.tif \(made of scene\.tif\)"):
        mosaic([a, b], tmp_path / "m.vrt", MosaicOptions("date"))
    write_confidence(a, full(9), grid((8, 8)))
    with pytest.raises(OptionError, match=r"needs b_confidence\.tif beside .*b\.tif"):
        mosaic([a, b], tmp_path / "m.tif", MosaicOptions("confidence"))
    write_confidence(b, full(9), grid((8, 8)))
    with pytest.raises(OptionError, match=r"b_confidence\.tif is not on the grid of b\.tif"):
        mosaic([a, b], tmp_path / "m.tif", MosaicOptions("confidence"))
    values = write_values(tmp_path / "v.tif", np.ones((1, 8, 8)), grid((8, 8)))
    with pytest.raises(OptionError, match=r"v\.tif is a map of a quantity"):
        mosaic([values], tmp_path / "m.tif", MosaicOptions("confidence"))


def test_inputs_are_never_overwritten(tmp_path, files):
    a, b = overlapping(tmp_path)
    for name, array in ((a, full(9)), (b, full(8))):
        write_confidence(name, array, grid((8, 8), col=0 if name == a else 4))
    before = files()
    with pytest.raises(OutputError, match="also an input"):
        mosaic([a, b], a, MosaicOptions(overwrite=True))
    with pytest.raises(OutputError, match="also an input"):
        mosaic([a, b], tmp_path / "a_confidence.tif", MosaicOptions("confidence", overwrite=True))
    mosaic([a, b], tmp_path / "a.vrt")  # whose style would have the name of the map's
    assert {name: content for name, content in files().items() if name != "a.vrt"} == before


def test_a_damaged_map_leaves_nothing_behind(tmp_path, files):
    array = random_classes((600, 600))
    maps = [write_classes(tmp_path / f"{n}.tif", array, grid((600, 600), 0, n)) for n in (0, 900)]
    content = maps[1].read_bytes()
    with rasterio.open(maps[1]) as dataset:
        place = {"ns": "BLOCK_OFFSET_0_0", "dm": "TIFF", "bidx": 1}
        offset = int(dataset.get_tag_item(**place))
    maps[1].write_bytes(content[:offset] + b"\xff" * 4000 + content[offset + 4000 :])
    before = files()
    with pytest.raises(SceneError, match=r"900\.tif cannot be read"):
        mosaic(maps, tmp_path / "m.tif", stac=tmp_path / "stac")
    assert files() == before
    assert not (tmp_path / "stac").exists()


def test_other_models_are_told(tmp_path):
    told = []
    a = write_classes(tmp_path / "a.tif", full(1), grid((8, 8)), GEORASTER_DL_MODEL="net 1")
    b = write_classes(tmp_path / "b.tif", full(1), grid((8, 8)), GEORASTER_DL_MODEL="net 2")
    mosaic([a], tmp_path / "one.vrt", warn=told.append)
    assert told == []
    mosaic([a, b], tmp_path / "two.vrt", warn=told.append)
    assert len(told) == 1
    assert "net 1: a.tif; net 2: b.tif" in told[0]
    with rasterio.open(tmp_path / "two.vrt") as dataset:
        assert dataset.tags()["GEORASTER_DL_MODEL"] == "net 1; net 2"


def test_a_mosaic_is_a_map(tmp_path):
    """Mosaics of mosaics, of either kind."""
    a, b = overlapping(tmp_path)
    c = write_classes(tmp_path / "c.tif", full(4), grid((8, 8), col=8))
    mosaic([a, b], tmp_path / "ab.vrt")
    mosaic([tmp_path / "ab.vrt", c], tmp_path / "abc.tif")
    assert (read_bands(tmp_path / "abc.tif")[0] == [1] * 8 + [3] * 4 + [4] * 4).all()


# --- around the 180th meridian, and in local coordinates


def in_degrees(folder, name, left, value):
    place = GeoBox((8, 8), Affine(0.01, 0, left, 0, -0.01, 10), "EPSG:4326")
    return write_classes(folder / f"{name}.tif", full(value), place)


@BOTH
@pytest.mark.parametrize("turned", [False, True])
def test_maps_on_both_sides_of_the_180th_meridian_lie_side_by_side(tmp_path, ending, turned):
    maps = [in_degrees(tmp_path, "a", 179.92, 1), in_degrees(tmp_path, "b", -180, 3)]
    if turned:
        maps.reverse()
    out = tmp_path / f"m{ending}"
    mosaic(maps, out)
    assert np.array_equal(read_bands(out)[0], np.hstack([full(1), full(3)]))
    with rasterio.open(out) as dataset:
        assert dataset.bounds.left % 360 == pytest.approx(179.92)


def test_maps_all_around_the_earth_stay_where_they_are(tmp_path):
    places = [
        GeoBox((10, 40), Affine(1, 0, left, 0, -1, 5), "EPSG:4326") for left in range(-180, 180, 40)
    ]
    maps = [
        write_classes(tmp_path / f"{i}.tif", full(1, (10, 40)), place)
        for i, place in enumerate(places)
    ]
    mosaic(maps, tmp_path / "m.tif")
    with rasterio.open(tmp_path / "m.tif") as dataset:
        assert (dataset.bounds.left, dataset.bounds.right) == (-180, 180)


def test_a_map_of_another_grid_beyond_the_180th_meridian(tmp_path):
    maps = [in_degrees(tmp_path, "a", 179.92, 1), in_degrees(tmp_path, "b", -180.003, 3)]
    mosaic(maps, tmp_path / "m.tif")
    assert np.array_equal(read_bands(tmp_path / "m.tif")[0], np.hstack([full(1), full(3)]))


@pytest.mark.parametrize("crs", [None, "EPSG:4326"])
def test_neighbouring_zones_at_the_180th_meridian(tmp_path, crs):
    maps = []
    for name, zone, lon, value in (("a", 32660, 179.9, 1), ("b", 32601, -179.9, 3)):
        to_zone = pyproj.Transformer.from_crs("EPSG:4326", f"EPSG:{zone}", always_xy=True)
        x, y = to_zone.transform(lon, 10)
        place = GeoBox((80, 240), Affine(100, 0, x - 12_000, 0, -100, y + 4_000), f"EPSG:{zone}")
        maps.append(write_classes(tmp_path / f"{name}.tif", full(value, (80, 240)), place))
    mosaic(maps, tmp_path / "m.tif", MosaicOptions(crs=crs))
    pixels = read_bands(tmp_path / "m.tif")[0]
    assert pixels.size < 1.3 * 2 * 80 * 240
    assert {1, 3} <= set(np.unique(pixels)) <= {1, 3, NODATA}
    assert (pixels != NODATA).mean() > 0.75


@BOTH
def test_maps_in_one_local_crs(tmp_path, ending):
    local = 'LOCAL_CS["Site (m)",UNIT["metre",1]]'
    maps = [
        write_classes(
            tmp_path / f"{value}.tif", full(value), grid((8, 8), col=8 * (value == 3), crs=local)
        )
        for value in (1, 3)
    ]
    out = tmp_path / f"m{ending}"
    mosaic(maps, out)
    assert np.array_equal(read_bands(out)[0], np.hstack([full(1), full(3)]))
    other = write_classes(tmp_path / "utm.tif", full(1), grid((8, 8)))
    with pytest.raises(OptionError, match="has no place in the CRS of the mosaic"):
        mosaic([maps[0], other], tmp_path / "n.tif")
    with pytest.raises(OptionError, match="has no place in the CRS of the mosaic"):
        mosaic(maps, tmp_path / "n.tif", MosaicOptions(crs="EPSG:4326"))
