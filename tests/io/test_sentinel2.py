"""Sentinel-2 products: folders, zips, partial ones, both levels, old and new baselines."""

import shutil
import zipfile

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from georaster_dl.core.errors import OptionError, SceneError
from georaster_dl.core.scene_options import SceneOptions
from georaster_dl.io.formats import sentinel2
from georaster_dl.io.scenes.reader import open_scene

NAMES = ["B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12"]


def metadata(level, baseline, offset):
    short = [n.replace("B0", "B") for n in NAMES]
    spectra = "".join(
        f'<Spectral_Information bandId="{i}" physicalBand="{n}"><Wavelength><CENTRAL unit="nm">'
        f"{400 + 100 * i}</CENTRAL></Wavelength></Spectral_Information>"
        for i, n in enumerate(short)
    )
    prefix, tag = ("BOA_", "BOA_ADD_OFFSET") if level == "2A" else ("", "RADIO_ADD_OFFSET")
    offsets = (
        ""
        if offset is None
        else "".join(f'<{tag} band_id="{i}">{offset}</{tag}>' for i in range(13))
    )
    return (
        f'<n1:P xmlns:n1="https://x"><PROCESSING_BASELINE>{baseline}</PROCESSING_BASELINE>'
        f"<{prefix}QUANTIFICATION_VALUE>10000</{prefix}QUANTIFICATION_VALUE>"
        f"{offsets}{spectra}</n1:P>"
    )


def write_jp2(path, value, size, pixels):
    array = np.full((1, pixels, pixels), value, "uint16")
    array[0, 0, 0] = 0
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(
        path,
        "w",
        driver="JP2OpenJPEG",
        count=1,
        width=pixels,
        height=pixels,
        dtype="uint16",
        crs="EPSG:32629",
        transform=from_origin(500_000, 5_900_000, size, size),
        QUALITY="100",
        REVERSIBLE="YES",
    ) as dataset:
        dataset.write(array)


@pytest.fixture
def make_safe(tmp_path):
    def make(level="2A", baseline="04.00", offset=-1000, bands=(("B02", 60), ("B8A", 60))):
        safe = tmp_path / f"S2A_MSIL{level}_X.SAFE"
        images = safe / "GRANULE" / "L" / "IMG_DATA"
        for name, gsd in bands:
            folder, suffix = (images / f"R{gsd}m", f"_{gsd}m") if level == "2A" else (images, "")
            write_jp2(folder / f"T29_{name}{suffix}.jp2", 1427, gsd, 1200 // gsd)
        write_jp2(safe / "GRANULE" / "L" / "QI_DATA" / "MSK_QUALIT_B02.jp2", 3, 60, 20)
        (safe / f"MTD_MSIL{level}.xml").write_text(metadata(level, baseline, offset))
        return safe

    return make


@pytest.mark.parametrize(
    ("level", "baseline", "offset", "expected"),
    [
        ("2A", "04.00", -1000, 0.0427),
        ("2A", "05.11", -1000, 0.0427),
        ("2A", "03.01", None, 0.1427),
        ("1C", "04.00", -1000, 0.0427),
        ("1C", "02.07", None, 0.1427),
    ],
)
def test_reflectance_follows_the_baseline(make_safe, level, baseline, offset, expected):
    scene = open_scene(make_safe(level, baseline, offset))
    raster = scene.read()
    assert raster.array[:, raster.valid] == pytest.approx(expected)
    assert f"L{level}, processing baseline {baseline}" in scene.note
    assert [band.name for band in scene.bands] == ["B02", "B8A"]
    assert [band.wavelength_nm for band in scene.bands] == [500, 1200]  # as this XML says
    assert not raster.valid[0, 0]
    assert raster.valid.sum() == raster.valid.size - 1


def test_the_finest_file_of_each_band_on_the_finest_grid(make_safe):
    bands = [("B02", 10), ("B02", 20), ("B02", 60), ("B05", 20), ("B05", 60), ("B01", 60)]
    scene = open_scene(make_safe(bands=bands))
    assert [band.name for band in scene.bands] == ["B01", "B02", "B05"]
    assert scene.shape == (120, 120)
    assert scene.resolution_m == 10
    raster = scene.read()
    assert raster.array[:, 40:, 40:] == pytest.approx(0.0427, abs=1e-4)
    # B01's invalid pixel is 60 m wide
    assert not raster.valid[:3, :3].any()


def test_zip_folder_and_metadata_file_are_the_same_scene(make_safe, tmp_path):
    safe = make_safe()
    archive = shutil.make_archive(str(tmp_path / "product"), "zip", tmp_path, safe.name)
    expected = open_scene(safe).read()
    for source in (archive, safe / "MTD_MSIL2A.xml"):
        raster = open_scene(source).read()
        assert np.array_equal(raster.array, expected.array)
        assert np.array_equal(raster.valid, expected.valid)


def test_bands_option_selects_from_a_product(make_safe):
    safe = make_safe(bands=[("B02", 60), ("B03", 60), ("B04", 60)])
    scene = open_scene(safe, SceneOptions(bands=("B04", "B02")))
    assert [band.name for band in scene.bands] == ["B04", "B02"]
    with pytest.raises(OptionError, match="B08"):
        open_scene(safe, SceneOptions(bands=("B08",)))
    # names as many as bands do not rename a product's
    with pytest.raises(OptionError, match="B11"):
        open_scene(safe, SceneOptions(bands=("B11", "B12", "B02")))


def test_a_product_without_band_files_or_with_broken_metadata(make_safe):
    with pytest.raises(SceneError, match="without a single band file"):
        open_scene(make_safe(bands=[]))
    safe = make_safe()
    (safe / "MTD_MSIL2A.xml").write_text("<broken")
    with pytest.raises(SceneError, match="damaged"):
        open_scene(safe)
    (safe / "MTD_MSIL2A.xml").write_text("<empty/>")
    with pytest.raises(SceneError, match="quantification"):
        open_scene(safe)


@pytest.mark.slow
@pytest.mark.realdata
def test_real_product(real_data):
    safe = next((real_data / "s2_ireland_l2a").glob("*.SAFE"))
    scene = open_scene(safe)
    assert len(scene.bands) == 11
    assert scene.resolution_m == 60
    assert scene.bands[1].wavelength_nm == pytest.approx(492.7)
    raster = scene.select([1, 3, 8]).read()
    assert 1 - raster.valid.mean() == pytest.approx(0.404, abs=1e-3)
    with rasterio.open(next(safe.rglob("*_B04_60m.jp2"))) as dataset:
        numbers = dataset.read(1)
    assert np.allclose(raster.array[1], numbers * 1e-4 - 0.1, atol=1e-6)


def test_zero_is_nodata_in_an_image_file_outside_of_its_product(make_safe):
    safe = make_safe(bands=[("B02", 60), ("B03", 60)])
    files = sorted(safe.rglob("IMG_DATA/**/*.jp2"))
    scene = open_scene(files, SceneOptions(scale=1e-4, offset=-0.1))
    assert [band.name for band in scene.bands] == ["B02", "B03"]
    expected = open_scene(safe).read()
    assert np.array_equal(scene.read().valid, expected.valid)
    assert np.allclose(scene.read().array[:, expected.valid], expected.array[:, expected.valid])


def old_metadata(value="10000"):
    """As Sen2Cor before 2.8 wrote it, in 2016 to 2018."""
    return (
        "<n1:P xmlns:n1='https://x'><PROCESSING_BASELINE>02.05</PROCESSING_BASELINE>"
        "<L1C_TOA_QUANTIFICATION_VALUE>10000</L1C_TOA_QUANTIFICATION_VALUE>"
        f"<L2A_BOA_QUANTIFICATION_VALUE>{value}</L2A_BOA_QUANTIFICATION_VALUE></n1:P>"
    )


def test_l2a_of_2017(make_safe):
    safe = make_safe()
    (safe / "MTD_MSIL2A.xml").write_text(old_metadata())
    scene = open_scene(safe)
    assert {(plane.scale, plane.offset) for plane in scene.planes} == {(1e-4, 0.0)}
    assert "L2A" in scene.note


@pytest.mark.parametrize("value", ["0", "-1", "ten thousand", "nan", ""])
def test_a_quantification_value_that_is_none(make_safe, value):
    safe = make_safe()
    (safe / "MTD_MSIL2A.xml").write_text(old_metadata(value))
    with pytest.raises(SceneError, match=r"(quantification value above 0|is damaged).* again"):
        open_scene(safe)


def test_products_before_2016_hold_one_tile_or_are_refused(make_safe):
    safe = make_safe("1C", "02.04", None)
    (safe / "MTD_MSIL1C.xml").rename(safe / "S2A_OPER_MTD_SAFL1C_PDMC_20160605T213005_R051.xml")
    images = safe / "GRANULE" / "L" / "IMG_DATA"
    first = "S2A_OPER_MSI_L1C_TL_EPA__20160605T113933_A000734_T31TCJ_B02.jp2"
    (images / "T29_B02.jp2").rename(images / first)
    assert [band.name for band in open_scene(safe).bands] == ["B02", "B8A"]
    shutil.copy(images / first, images / first.replace("T31TCJ", "T31TDJ"))
    with pytest.raises(SceneError, match="2 tiles .*31TCJ, 31TDJ"):
        open_scene(safe)


def test_the_scene_classification_masks(make_safe):
    safe = make_safe(bands=(("B02", 60),))
    path = safe / "GRANULE" / "L" / "IMG_DATA" / "R60m" / "T29_SCL_60m.jp2"
    write_jp2(path, 4, 60, 20)
    plain = open_scene(safe, SceneOptions(mask="SCL=4"))
    assert [band.name for band in plain.bands] == ["B02"]
    assert not plain.read().valid.any()
    assert open_scene(safe, SceneOptions(mask="scl")).read().valid.sum() == 20 * 20 - 1


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (">10000<", ">many<"),
        (">10000<", ">0<"),
        (">-1000<", ">nan<"),
        (">500<", ">blue<"),
        ("<n1:P", "<!DOCTYPE a [<!ENTITY b 'c'>]><n1:P"),
        ("</n1:P>", ""),
    ],
)
def test_damaged_metadata_is_told_in_one_line(make_safe, old, new):
    safe = make_safe()
    xml = next(safe.glob("MTD*.xml"))
    xml.write_text(xml.read_text().replace(old, new))
    with pytest.raises(SceneError, match="download") as caught:
        open_scene(safe)
    assert "\n" not in str(caught.value)


def test_metadata_that_unpacks_to_any_size_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(sentinel2, "_MOST_XML_BYTES", 2**20)
    path = tmp_path / "p.SAFE.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("p.SAFE/MTD_MSIL2A.xml", b"<a>" + b" " * 2**25)
        archive.writestr("p.SAFE/GRANULE/x/IMG_DATA/R10m/T_B02_10m.jp2", b"x")
    with pytest.raises(SceneError, match="none of Sentinel-2"):
        open_scene(path)
