"""Names, wavelengths and calibration as files state them, in whatever encoding and unit."""

import numpy as np
import pytest
import rasterio

from georaster_dl.io.scenes.reader import open_scene

HEADER = """ENVI
samples = 8
lines = 6
bands = 3
header offset = 0
file type = ENVI Standard
data type = 2
interleave = bsq
byte order = 0
"""


@pytest.fixture
def envi(tmp_path):
    """Factory of ENVI rasters whose header ends in these lines, in Latin-1."""

    def make(*lines):
        np.arange(3 * 6 * 8, dtype="int16").tofile(tmp_path / "cube.img")
        (tmp_path / "cube.hdr").write_bytes((HEADER + "\n".join(lines) + "\n").encode("latin-1"))
        return open_scene(tmp_path / "cube.hdr")

    return make


def test_names_in_latin1_are_read(envi):
    scene = envi("band names = {Grün, Réfl 2, Infrarot}", "wavelength = {0.5, 0.6, 0.7}")
    assert [band.name for band in scene.bands] == ["Grün", "Réfl 2", "Infrarot"]
    assert [band.wavelength_nm for band in scene.bands] == [500, 600, 700]
    assert scene.read().array.shape == (3, 6, 8)


def test_a_unit_in_latin1_is_read(envi):
    scene = envi(
        "wavelength units = µm", "wavelength = {0.5, 0.6, 0.7}", "fwhm = {0.01, 0.02, 0.03}"
    )
    assert [band.wavelength_nm for band in scene.bands] == [500, 600, 700]
    assert [band.fwhm_nm for band in scene.bands] == pytest.approx([10, 20, 30])


def test_names_of_a_geotiff_in_latin1_are_read(make_tif):
    path = make_tif(np.ones((2, 8, 8), "uint8"), descriptions=["GrXXn", "red"])
    path.write_bytes(path.read_bytes().replace(b"GrXXn", b"Gr\xfc\xfcn"))
    assert [band.name for band in open_scene(path).bands] == ["Grüün", "red"]


@pytest.mark.parametrize(
    ("unit", "values", "nm"),
    [
        ("Nanometers", "450, 550, 650", [450, 550, 650]),
        ("Micrometers", "0.45, 0.55, 0.65", [450, 550, 650]),
        ("Nanometers", "0.45, 0.55, 0.65", [450, 550, 650]),  # a header that errs
        ("Angstroms", "4500, 5500, 6500", [450, 550, 650]),
        ("Millimeters", "0.00045, 0.00055, 0.00065", [450, 550, 650]),
        ("Micrometers", "8.5, 10.5, 12", [8500, 10500, 12000]),
        ("Unknown", "450, 550, 650", [450, 550, 650]),
        ("Unknown", "0.45, 0.55, 0.65", [450, 550, 650]),
        # nobody can say what these are
        ("Unknown", "4500, 5500, 6500", [None] * 3),
        ("Wavenumber", "4500, 5500, 6500", [None] * 3),
        ("Index", "1, 2, 3", [None] * 3),
        ("GHz", "1, 2, 3", [None] * 3),
        ("Nanometers", "450, nan, 650", [450, None, 650]),
    ],
)
def test_units_of_wavelengths(envi, unit, values, nm):
    bands = envi(f"wavelength units = {unit}", f"wavelength = {{{values}}}").bands
    found = [band.wavelength_nm for band in bands]
    assert found == [None if value is None else pytest.approx(value) for value in nm]


@pytest.mark.parametrize("scale", [0.0, np.inf, np.nan])
def test_a_scale_that_leaves_nothing_is_no_calibration(make_tif, scale):
    path = make_tif(np.ones((1, 8, 8), "uint16"), scales=[scale], offsets=[-0.1])
    plane = open_scene(path).planes[0]
    assert (plane.scale, plane.offset, plane.calibrated) == (1.0, 0.0, False)


def test_complex_integers_are_refused(make_tif, tmp_path):
    make_tif(np.ones((1, 8, 8), "int16"), "plain.tif")
    (tmp_path / "slc.vrt").write_text(
        "<VRTDataset rasterXSize='8' rasterYSize='8'><VRTRasterBand dataType='CInt16' band='1'>"
        "<SimpleSource><SourceFilename relativeToVRT='1'>plain.tif</SourceFilename></SimpleSource>"
        "</VRTRasterBand></VRTDataset>"
    )
    from georaster_dl.core.errors import SceneError

    with pytest.raises(SceneError, match="complex numbers .*amplitudes"):
        open_scene(tmp_path / "slc.vrt")


def test_nothing_is_written_beside_a_file_that_is_recoded(make_tif):
    path = make_tif(np.ones((1, 8, 8), "uint8"), descriptions=["GrXXn"])
    path.write_bytes(path.read_bytes().replace(b"GrXXn", b"Gr\xfc\xfcn"))
    before = sorted(path.parent.iterdir())
    open_scene(path)
    with rasterio.open(path):
        assert sorted(path.parent.iterdir()) == before
