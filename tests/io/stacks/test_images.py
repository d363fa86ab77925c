"""Stacks of dated files: order, bands, grids, several images of one day, masks."""

import pickle
from datetime import date

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from georaster_dl.core.bands import Band
from georaster_dl.core.errors import BandMismatchError, OptionError, SceneError
from georaster_dl.core.scene_options import SceneOptions, StackOptions
from georaster_dl.io.stacks import images
from georaster_dl.io.stacks.open import open_stack
from georaster_dl.testing import write_raster

ROWS, COLS = slice(3, 7), slice(2, 12)


def test_files_in_any_order_are_sorted_by_their_dates(make_dates):
    folder = make_dates({"a_20230601.tif": 3, "b_2023-05-14.tif": 1, "c_2023140.tif": 2})
    stack = open_stack(folder)
    (sensor,) = stack.sensors
    assert sensor.dates == (date(2023, 5, 14), date(2023, 5, 20), date(2023, 6, 1))
    assert [band.name for band in sensor.bands] == ["B04", "B08"]
    (values,) = stack.read(ROWS, COLS)
    assert values.shape == (3, 2, 4, 10)
    assert values.dtype == np.float32
    assert values[:, 0, 0, 0].tolist() == [1, 2, 3]
    assert (stack.shape, stack.resolution_m) == ((20, 30), 10)


@pytest.mark.parametrize("kind", ["folder", "pattern", "files", "text"])
def test_sources_of_one_sensor(make_dates, tmp_path, kind):
    folder = make_dates({"a_20230601.tif": 3, "a_20230514.tif": 1})
    (tmp_path / "list.txt").write_text("stack/a_20230601.tif\nstack/a_20230514.tif\n")
    given = {
        "folder": folder,
        "pattern": f"{folder}/*.tif",
        "files": sorted(folder.iterdir()),
        "text": tmp_path / "list.txt",
    }
    (values,) = open_stack(given[kind]).read()
    assert values[:, 0, 0, 0].tolist() == [1, 3]


def test_files_that_hold_a_band_each_are_one_date(make_dates):
    values = {
        f"{name}_2023-05-{day}.tif": i * 10 + day
        for i, name in enumerate(("EVI", "NDVI"))
        for day in (14, 20)
    }
    folder = make_dates({f"MODIS_{name}": value for name, value in values.items()}, bands=())
    stack = open_stack(folder)
    assert [band.name for band in stack.sensors[0].bands] == ["EVI", "NDVI"]
    (read,) = stack.read()
    assert read[:, :, 0, 0].tolist() == [[14, 24], [20, 30]]


def test_bands_of_their_own_names_are_kept_and_a_quality_file_masks(make_dates):
    folder = make_dates(
        {f"T31_2023051{d}T103021_{b}.tif": d for d in (4, 5) for b in ("B02_10m", "B03_10m")},
        bands=(),
    )
    make_dates(
        {"T31_20230514T103021_SCL_20m.tif": 9, "T31_20230515T103021_SCL_20m.tif": 4}, bands=()
    )
    stack = open_stack(folder, StackOptions(SceneOptions(mask="SCL")))
    assert [band.wavelength_nm for band in stack.sensors[0].bands] == [492.4, 559.8]
    (values,) = stack.read()
    assert np.isnan(values[0]).all()
    assert (values[1] == 5).all()


def test_files_of_other_bands_each_are_one_date(make_dates):
    folder = make_dates({"fine_20230514.tif": 1}, bands=("B02", "B03"))
    coarse = from_origin(500_000, 5_000_000, 20, 20)
    make_dates({"coarse_20230514.tif": 7}, bands=("B05",), shape=(10, 15), transform=coarse)
    stack = open_stack(folder)
    assert sorted(band.name for band in stack.sensors[0].bands) == ["B02", "B03", "B05"]
    assert stack.resolution_m == 10


def test_of_two_images_of_a_day_a_pixel_takes_the_first_valid(tmp_path):
    first, second = np.ones((2, 8, 10), "uint16"), np.full((2, 8, 10), 2, "uint16")
    first[1, :4] = 0  # nodata in one band
    write_raster(tmp_path / "a_20230514T1000.tif", first, bands=("B04", "B08"), nodata=0)
    write_raster(tmp_path / "a_20230514T1010.tif", second, bands=("B04", "B08"), nodata=0)
    write_raster(tmp_path / "a_20230601.tif", second, bands=("B04", "B08"), nodata=0)
    stack = open_stack(tmp_path)
    assert len(stack.sensors[0].dates) == 2
    (values,) = stack.read()
    assert (values[0, :, :4] == 2).all()
    assert (values[0, :, 4:] == 1).all()
    assert "1 day (2023-05-14) have several images" in " ".join(stack.remarks)


def test_other_grids_are_resampled_to_the_finest_most_share(make_dates):
    folder = make_dates({"a_20230514.tif": 1, "b_20230520.tif": 2})
    coarse = from_origin(500_000, 5_000_000, 20, 20)
    make_dates({"c_20230501.tif": 7}, shape=(5, 15), transform=coarse)
    stack = open_stack(folder)
    assert stack.resolution_m == 10
    (values,) = stack.read()
    assert (values[0, :, :10] == 7).all()
    assert np.isnan(values[0, :, 11:]).all()  # where that image has ended
    assert (values[1] == 1).all()


def test_another_crs_is_resampled_too(make_dates):
    folder = make_dates({"a_20230514.tif": 1, "b_20230520.tif": 2})
    wide = from_origin(2.9, 45.25, 0.001, 0.001)
    make_dates({"c_20230501.tif": 7}, shape=(200, 200), transform=wide, crs="EPSG:4326")
    stack = open_stack(folder)
    assert stack.geobox.crs.epsg == 32631
    (whole,) = stack.read()
    assert (whole[0] == 7).all()
    assert np.array_equal(stack.read(ROWS, COLS)[0], whole[..., ROWS, COLS])


def test_an_image_elsewhere_is_named(make_dates):
    folder = make_dates({"a_20230514.tif": 1, "b_20230520.tif": 2})
    make_dates({"far_20230601.tif": 7}, transform=from_origin(900_000, 5_000_000, 10, 10))
    with pytest.raises(
        SceneError, match=r"far_20230601.tif does not overlap the grid of .*; leave it out"
    ):
        open_stack(folder)


def test_a_file_without_a_date_is_named(make_dates):
    folder = make_dates({"a_20230514.tif": 1, "scene.tif": 2})
    folder.rename(folder.parent / "plain")
    with pytest.raises(
        SceneError, match=r"scene.tif names no date .* `date_pattern=`, or give a table"
    ):
        open_stack(folder.parent / "plain")


def test_a_tag_says_when_an_image_was_taken_and_none_when_it_was_written(make_dates):
    folder = make_dates({"scene.tif": 1})
    with rasterio.open(folder / "scene.tif", "r+") as dataset:
        dataset.update_tags(TIFFTAG_DATETIME="2024:01:01 00:00:00")
    (folder / "scene.tif").rename(path := folder.parent / "scene.tif")
    with pytest.raises(SceneError, match="names no date"):
        open_stack(path)
    with rasterio.open(path, "r+") as dataset:
        dataset.update_tags(SENSING_TIME="2023-05-14T10:30:21Z")
    assert open_stack(path).sensors[0].dates == (date(2023, 5, 14),)


def test_a_table_states_dates_sensors_and_masks(make_dates, tmp_path):
    make_dates({"one.tif": 1, "two.tif": 2, "radar.tif": 5})
    make_dates({"cloudy.tif": 8}, bands=("SCL",))
    (tmp_path / "table.csv").write_text(
        "path;date;sensor;mask\n"
        "stack/two.tif;2023-06-01;s2;\n"
        "stack/one.tif;2023-05-14;s2;stack/cloudy.tif=8\n"
        "stack/radar.tif;2023-05-20;s1;\n"
    )
    stack = open_stack(tmp_path / "table.csv")
    optical, radar = sorted(stack.sensors, key=lambda sensor: sensor.name, reverse=True)
    assert (optical.name, optical.dates) == ("s2", (date(2023, 5, 14), date(2023, 6, 1)))
    assert radar.dates == (date(2023, 5, 20),)
    values = dict(zip([s.name for s in stack.sensors], stack.read(ROWS, COLS), strict=True))
    assert np.isnan(values["s2"][0]).all()
    assert (values["s2"][1] == 2).all()
    assert (values["s1"] == 5).all()


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("gone.tif,2023-05-14", r"lists .*gone.tif of 2023-05-14, which does not exist"),
        ("stack/a.tif,spring", r"'spring', the date of stack/a.tif in .*table.csv, is no date"),
        ("stack/a.tif,", r"a.tif names no date"),
        ("", "names no image"),
    ],
)
def test_tables_that_cannot_be(make_dates, tmp_path, row, said):
    make_dates({"a.tif": 1})
    (tmp_path / "table.csv").write_text(f"path,date\n{row}\n")
    with pytest.raises(SceneError, match=said):
        open_stack(tmp_path / "table.csv")


def test_bands_that_most_dates_lack_are_left_out_and_told(make_dates):
    folder = make_dates({"a_20230514.tif": 1}, bands=("B04", "B08", "B11"))
    make_dates({"a_20230520.tif": 2}, bands=("B08", "B04"))
    stack = open_stack(folder)
    assert [band.name for band in stack.sensors[0].bands] == ["B04", "B08"]
    assert len(stack.sensors[0].dates) == 2
    assert "most dates have no band B11, which is left out" in stack.remarks


def test_dates_that_lack_a_band_are_left_out_and_told(make_dates):
    folder = make_dates({"a_20230514.tif": 1, "a_20230601.tif": 3}, bands=("B04", "B08", "B11"))
    make_dates({"b_20230520.tif": 2})
    stack = open_stack(folder)
    assert [band.name for band in stack.sensors[0].bands] == ["B04", "B08", "B11"]
    assert stack.read()[0][:, 0, 0, 0].tolist() == [1, 3]
    assert "1 image without all bands are left out" in stack.remarks[0]
    assert "b_20230520.tif" in stack.remarks[0]


@pytest.mark.parametrize(("stem", "name"), [("MODIS_ndvi_x", "NDVI"), ("scene", "band_1")])
@pytest.mark.parametrize("numbered", [True, False])
def test_single_bands_with_a_number_for_a_name_are_one_band(make_dates, stem, name, numbered):
    for day in (14, 20, 26):
        folder = make_dates({f"{stem}_2023-05-{day}.tif": day}, bands=(f"sin_{day}",) * numbered)
    stack = open_stack(folder)
    assert [band.name for band in stack.sensors[0].bands] == [name]
    assert stack.read()[0][:, 0, 0, 0].tolist() == [14, 20, 26]


def test_a_date_that_lacks_the_file_of_a_band_is_left_out(make_dates):
    names = {f"NDVI_2023-05-{day}.tif": day for day in (14, 20, 26)}
    names |= {f"EVI_2023-05-{day}.tif": 50 + day for day in (14, 26)}
    stack = open_stack(make_dates(names, bands=("sin",)))
    assert [band.name for band in stack.sensors[0].bands] == ["EVI", "NDVI"]
    assert stack.read()[0][:, :, 0, 0].tolist() == [[64, 14], [76, 26]]


def test_a_second_image_of_a_single_band_is_no_other_band(make_dates):
    names = {f"grey_2023-05-{day}.tif": day for day in (14, 20, 26)} | {"grey_2023-05-26_b.tif": 9}
    stack = open_stack(make_dates(names, bands=()))
    assert [band.name for band in stack.sensors[0].bands] == ["band_1"]
    assert stack.read()[0][:, 0, 0, 0].tolist() == [14, 20, 26]


@pytest.mark.parametrize("bands", [("B11",), ("B11", "B12", "B02")])
def test_dates_without_a_common_band_are_named(make_dates, bands):
    folder = make_dates({"a_20230514.tif": 1})
    make_dates({"a_20230520.tif": 2}, bands=bands)
    with pytest.raises(SceneError, match=r"a_20230514.tif are B04.*a_20230520.tif B11"):
        open_stack(folder)


def test_nameless_bands_must_agree_in_number(make_dates):
    folder = make_dates({"a_20230514.tif": 1}, bands=("", "", ""))
    make_dates({"a_20230520.tif": 2}, bands=("", ""))
    with pytest.raises(SceneError, match="so they are no series of one sensor"):
        open_stack(folder)


def test_sensors_have_dates_of_their_own_on_one_grid(make_dates):
    optical = make_dates({"a_20230514.tif": 1, "a_20230520.tif": 2}, folder="s2")
    coarse = from_origin(500_000, 5_000_000, 20, 20)
    radar = make_dates(
        {"r_20230501.tif": 9}, bands=("VV",), folder="s1", shape=(10, 15), transform=coarse
    )
    stack = open_stack({"s1": radar, "s2": optical})
    assert [(s.name, len(s.dates)) for s in stack.sensors] == [("s1", 1), ("s2", 2)]
    first, second = stack.read(ROWS, COLS)
    assert (first.shape, second.shape) == ((1, 1, 4, 10), (2, 2, 4, 10))
    assert (first == 9).all()
    chosen = stack.select({"S2": [Band("B08")], "S1": [Band("VV")]})
    assert [s.name for s in chosen.sensors] == ["S2", "S1"]
    with pytest.raises(OptionError, match=r"has the sensors s1, s2, but 's3' is asked for"):
        stack.select({"s3": []})


def test_bands_are_selected_in_the_order_asked_for(make_dates, tmp_path):
    array = np.stack([np.full((8, 10), v, "uint16") for v in (1, 2, 3)])
    write_raster(tmp_path / "a_20230514.tif", array, bands=("B02", "B03", "B04"))
    stack = open_stack(tmp_path).select({"any": [Band("B04"), Band("B02")]})
    assert stack.read()[0][0, :, 0, 0].tolist() == [3, 1]
    with pytest.raises(BandMismatchError, match="B11"):
        stack.select({"any": [Band("B11")]})


def test_time_is_cut_at_both_ends(make_dates):
    folder = make_dates({f"a_2023051{d}.tif": d for d in range(5)})
    stack = open_stack(folder)
    cut = stack.between(date(2023, 5, 11), date(2023, 5, 13))
    assert cut.read()[0][:, 0, 0, 0].tolist() == [1, 2, 3]
    assert len(stack.between(None, date(2023, 5, 10)).sensors[0].dates) == 1
    with pytest.raises(
        OptionError,
        match="no image of images between 2024-01-01 and its last; its dates are 2023-05-10",
    ):
        stack.between(date(2024, 1, 1))


def test_a_pixel_without_a_clear_date_is_never_a_number(tmp_path):
    for day in (14, 20):
        array = np.ones((2, 8, 10), "uint16")
        array[0, :3] = 0
        write_raster(tmp_path / f"a_202305{day}.tif", array, bands=("B04", "B08"), nodata=0)
    (values,) = open_stack(tmp_path).read()
    assert np.isnan(values[:, :, :3]).all()
    assert (values[:, :, 3:] == 1).all()


def test_a_mask_file_of_each_date(make_dates, tmp_path):
    folder = make_dates({"a_20230514.tif": 1, "a_20230520.tif": 2})
    make_dates({"m_2023-05-14.tif": 1, "m_2023-05-20.tif": 0}, bands=("",), folder="masks")
    options = StackOptions(SceneOptions(mask=f"{tmp_path}/masks/*_{{date}}.tif=1"))
    stack = open_stack(folder, options)
    (values,) = stack.read()
    assert np.isnan(values[0]).all()
    assert (values[1] == 2).all()
    assert any("m_2023-05-14" in path for path in stack.source_files())
    (tmp_path / "masks" / "m_2023-05-20.tif").unlink()
    with pytest.raises(
        OptionError, match=r"finds no file for 2023-05-20 \(looked for .*2023-05-20.tif"
    ):
        open_stack(folder, options)


def test_scale_and_offset_are_applied_date_by_date(make_dates):
    folder = make_dates({"a_20230514.tif": 1000}, scale=1e-4)
    make_dates({"a_20230520.tif": 1000}, scale=1e-3)
    (values,) = open_stack(folder).read()
    assert values[:, 0, 0, 0] == pytest.approx([0.1, 1.0])


def test_more_files_than_stay_open(make_dates, monkeypatch):
    monkeypatch.setattr(images, "_MOST_OPEN", 3)
    folder = make_dates({f"a_2023051{d}.tif": d for d in range(10)})
    with open_stack(folder).reader() as reader:
        for _ in range(2):
            (values,) = reader.read(ROWS, COLS)
            assert values[:, 0, 0, 0].tolist() == list(range(10))
        (own,) = reader._readers
        assert len(own._open) == 3


def test_a_stack_is_the_same_after_pickling_and_in_windows(make_dates):
    stack = open_stack(make_dates({"a_20230514.tif": 1, "a_20230520.tif": 2}))
    (whole,) = stack.read()
    with pickle.loads(pickle.dumps(stack)).reader() as reader:
        assert np.array_equal(reader.read(ROWS, COLS)[0], whole[..., ROWS, COLS])
    with pytest.raises(OptionError, match="leads out"):
        stack.read(slice(0, 21))


def test_a_damaged_file_is_named_with_its_rows(make_dates):
    folder = make_dates({"a_20230514.tif": 1, "a_20230520.tif": 2}, shape=(400, 300))
    path = folder / "a_20230520.tif"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(SceneError, match="a_20230520.tif"):
        open_stack(folder).read()


@pytest.mark.realdata
def test_modis_files_of_an_index_each(real_data):
    stack = open_stack(real_data / "sits_matogrosso" / "sinop_tif")
    (sensor,) = stack.sensors
    assert [band.name for band in sensor.bands] == ["EVI", "NDVI"]
    assert len(sensor.dates) == 23
    assert stack.read()[0].shape == (23, 2, 50, 50)


@pytest.mark.realdata
def test_a_product_is_dated_and_masked(real_data):
    (product,) = (real_data / "s2_ireland_l2a").glob("*.SAFE")
    stack = open_stack([product], StackOptions(SceneOptions(mask="SCL")))
    assert stack.sensors[0].dates == (date(2022, 10, 5),)
    (values,) = stack.read(slice(0, 300), slice(1000, 1300))
    assert 0 < np.isfinite(values).mean() < 1


def test_a_band_of_classes_is_no_measurement_unless_it_is_named(make_dates):
    folder = make_dates({"S2_2020-01-05.tif": 4, "S2_2020-02-05.tif": 4}, bands=("B04", "SCL"))
    stack = open_stack(folder)
    assert [band.name for band in stack.sensors[0].bands] == ["B04"]
    assert any("SCL of images holds classes or bits" in remark for remark in stack.remarks)
    named = open_stack(folder, StackOptions(SceneOptions(bands=("B04", "SCL"))))
    assert [band.name for band in named.sensors[0].bands] == ["B04", "SCL"]
