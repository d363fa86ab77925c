"""The raster writer: any blocks in, a complete and valid COG out, or one clear error."""

import itertools
import math
import subprocess
import sys
import textwrap
import warnings

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from odc.geo.gcp import GCPGeoBox, GCPMapping
from odc.geo.geobox import GeoBox
from rasterio.crs import CRS
from rasterio.errors import NotGeoreferencedWarning
from rasterio.rpc import RPC
from rio_cogeo.cogeo import cog_validate

from georaster_dl.core.bands import Band
from georaster_dl.core.errors import OutputError
from georaster_dl.core.legend import Legend, MapClass
from georaster_dl.io.output.writer import RasterSpec, RasterWriter
from georaster_dl.io.scenes.reader import open_scene

LEGEND = Legend(
    (MapClass(0, "water", (0, 0, 255)), MapClass(3, 'grass & "low" <veg> é', (0, 200, 10)))
)
HIGH = Legend((MapClass(1, "one", (1, 2, 3)), MapClass(60000, "many", (250, 0, 9))))
NORTH_UP = Affine(10, 0, 300000, 0, -10, 5000040)
RPCS = RPC(
    height_off=1.0,
    height_scale=100.0,
    lat_off=45.0,
    lat_scale=0.1,
    line_off=300.0,
    line_scale=300.0,
    long_off=10.0,
    long_scale=0.1,
    samp_off=300.0,
    samp_scale=300.0,
    line_num_coeff=[i / 10 for i in range(20)],
    line_den_coeff=[1.0] + [0.0] * 19,
    samp_num_coeff=[i / 4 for i in range(20)],
    samp_den_coeff=[1.0] + [0.0] * 19,
)
PLACES = {
    "utm": lambda shape: GeoBox(shape, NORTH_UP, "EPSG:32633"),
    "geographic": lambda shape: GeoBox(shape, Affine(1e-3, 0, 10, 0, -1e-3, 45), "EPSG:4326"),
    "south_up": lambda shape: GeoBox(shape, Affine(10, 0, 3e5, 0, 10, 5e6), "EPSG:32633"),
    "rotated": lambda shape: GeoBox(shape, Affine(10, 3, 3e5, 2, -10, 5e6), "EPSG:32633"),
    "no_epsg": lambda shape: GeoBox(
        shape,
        NORTH_UP,
        "+proj=aea +lat_1=10 +lat_2=40 +lat_0=20 +lon_0=12.5 +ellps=bessel +units=us-ft",
    ),
    "affine_only": lambda shape: GeoBox(shape, NORTH_UP, None),
    "nothing": lambda shape: GeoBox(shape, Affine.identity(), None),
    "gcps": lambda shape: GCPGeoBox(
        shape,
        GCPMapping(
            np.array([[0, 0], [shape[1], 0], [0, shape[0]], [shape[1], shape[0]], [5, 7]], float),
            np.array([[10, 45], [10.1, 45.01], [9.99, 44.9], [10.1, 44.91], [10.02, 44.99]], float),
            "EPSG:4326",
        ),
    ),
}
KINDS = {
    "classes": RasterSpec(["class"], "uint8", 255, "mode", LEGEND),
    "many_classes": RasterSpec(["class"], "uint16", 65535, "mode", HIGH),
    "scaled": RasterSpec(["a", "b"], "uint8", 255, "average", scale=0.004, offset=-0.1),
    "floats": RasterSpec(["p & <q>", "é", "c"], "float32", math.nan, "average"),
    "four_bytes": RasterSpec(["a", "b", "c", "d"], "uint8", 255, "average"),
    "signed": RasterSpec(["t"], "int16", -32768, "average"),
    "no_nodata": RasterSpec(["t"], "float64", None, "average"),
}


def opened(path):
    """Open for reading; scenes without georeferencing are part of these tests."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        return rasterio.open(path)


def pixels(spec, shape, seed=0):
    rng = np.random.default_rng(seed)
    if spec.legend is not None:
        return rng.choice(np.array(spec.legend.values, spec.dtype), (1, *shape))
    return rng.integers(0, 250, (len(spec.names), *shape)).astype(spec.dtype)


def valid(path):
    return cog_validate(path, strict=True, quiet=True)


def write(path, geobox, spec, data):
    with RasterWriter(path, geobox, spec=spec) as writer:
        rows, cols = data.shape[1:]
        for row, col in itertools.product(range(0, rows, 200), range(0, cols, 333)):
            block = data[:, row : row + 200, col : col + 333]
            writer.write(slice(row, row + block.shape[1]), slice(col, col + block.shape[2]), block)
    return path


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", PLACES)
def test_everything_survives_in_a_valid_cog(tmp_path, place, kind):
    spec = KINDS[kind]
    tags = {"GEORASTER_DL_MODEL": 'a & "b" <c> é', "GEORASTER_DL_VERSION": "0.1"}
    spec = RasterSpec(**{**vars(spec), "tags": tags, "rpcs": RPCS if place == "nothing" else None})
    geobox = PLACES[place]((530, 300))
    data = pixels(spec, (530, 300))
    path = write(tmp_path / "a.tif", geobox, spec, data)
    assert [p.name for p in tmp_path.iterdir()] == ["a.tif"]
    assert valid(path) == (True, [], [])
    with opened(path) as ds:
        np.testing.assert_array_equal(ds.read(), data)
        assert ds.dtypes == (spec.dtype,) * len(spec.names)
        assert ds.descriptions == tuple(spec.names)
        assert str(ds.nodata) == str(None if spec.nodata is None else float(spec.nodata))
        assert tags.items() <= ds.tags().items()
        assert ds.scales[0] == (spec.scale or 1)
        assert ds.offsets[-1] == (spec.offset or 0)
        assert len(ds.overviews(1)) == 1
        assert all(c.name in {"gray", "undefined", "palette"} for c in ds.colorinterp)
        expected_crs = geobox.crs and CRS.from_wkt(geobox.crs.to_wkt())
        if place == "gcps":
            points, crs = ds.gcps
            assert crs == expected_crs
            assert [(p.row, p.col, p.x, p.y) for p in points] == [
                (0, 0, 10, 45),
                (0, 300, 10.1, 45.01),
                (530, 0, 9.99, 44.9),
                (530, 300, 10.1, 44.91),
                (7, 5, 10.02, 44.99),
            ]
        else:
            assert ds.crs == expected_crs
            assert ds.transform == geobox.affine
        if place == "nothing":
            assert ds.rpcs.to_dict() == {
                **RPCS.to_dict(),
                "err_bias": ds.rpcs.err_bias,
                "err_rand": ds.rpcs.err_rand,
            }
        if spec.legend is not None:
            table = ds.colormap(1)
            assert all(table[c.value] == (*c.color, 255) for c in spec.legend.classes)
            assert '"' + spec.legend.names[0] + '"' in ds.tags()["CLASS_NAMES"]
    if kind == "classes":
        assert table[255] == (0, 0, 0, 0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("law")


@st.composite
def partitions(draw):
    """Cut of a raster into blocks, in a random order."""
    rows, cols = draw(st.integers(1, 1100)), draw(st.integers(1, 1100))
    cuts = [
        sorted({0, size, *draw(st.lists(st.integers(0, size), max_size=5))})
        for size in (rows, cols)
    ]
    blocks = list(itertools.product(*(itertools.pairwise(cut) for cut in cuts)))
    return (rows, cols), draw(st.permutations(blocks))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(partition=partitions(), kind=st.sampled_from(["classes", "floats"]))
def test_any_partition_in_any_order_reads_back(folder, partition, kind):
    shape, blocks = partition
    spec, data = KINDS[kind], pixels(KINDS[kind], shape, seed=3)
    path = folder / "law.tif"
    with RasterWriter(path, PLACES["utm"](shape), spec=spec) as writer:
        for (row, row_end), (col, col_end) in blocks:
            writer.write(
                slice(row, row_end), slice(col, col_end), data[:, row:row_end, col:col_end]
            )
    with rasterio.open(path) as ds:
        np.testing.assert_array_equal(ds.read(), data)


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_never_written_is_nodata(tmp_path, kind):
    spec = KINDS[kind]
    data = pixels(spec, (10, 20))
    path = tmp_path / "a.tif"
    with RasterWriter(path, PLACES["utm"]((1300, 1100)), spec=spec) as writer:
        writer.write(slice(600, 610), slice(500, 520), data)
    fill = 0 if spec.nodata is None else spec.nodata
    expected = np.full((len(spec.names), 1300, 1100), fill, spec.dtype)
    expected[:, 600:610, 500:520] = data
    with rasterio.open(path) as ds:
        np.testing.assert_array_equal(ds.read(), expected)
    assert valid(path) == (True, [], [])


def test_nothing_written_at_all(tmp_path):
    path = tmp_path / "a.tif"
    RasterWriter(path, PLACES["utm"]((700, 1)), spec=KINDS["classes"]).finish()
    with rasterio.open(path) as ds:
        assert (ds.read(1) == 255).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 2000), (2000, 1), (512, 512), (513, 512)])
def test_odd_shapes_are_valid_cogs(tmp_path, shape):
    data = pixels(KINDS["floats"], shape)
    path = write(tmp_path / "a.tif", PLACES["utm"](shape), KINDS["floats"], data)
    with rasterio.open(path) as ds:
        np.testing.assert_array_equal(ds.read(), data)
        assert ds.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
    # The validator takes a raster as wide as one block for untiled, and one column for no overview.
    if shape not in {(2000, 1), (513, 512)}:
        assert valid(path) == (True, [], [])


def test_overviews_of_classes_hold_only_classes_and_of_floats_are_means(tmp_path):
    rng = np.random.default_rng(0)
    classes = np.kron(rng.choice([0, 3], (1, 300, 300)), np.ones((1, 4, 4), int)).astype("uint8")
    write(tmp_path / "c.tif", PLACES["utm"]((1200, 1200)), KINDS["classes"], classes)
    with rasterio.open(tmp_path / "c.tif", OVERVIEW_LEVEL=1) as ds:
        np.testing.assert_array_equal(ds.read(1), classes[0, ::4, ::4])
    floats = rng.random((3, 1200, 1200), dtype="float32")
    write(tmp_path / "f.tif", PLACES["utm"]((1200, 1200)), KINDS["floats"], floats)
    with rasterio.open(tmp_path / "f.tif", OVERVIEW_LEVEL=0) as ds:
        means = floats.reshape(3, 600, 2, 600, 2).mean((2, 4))
        np.testing.assert_allclose(ds.read(), means, atol=1e-6)


def test_many_bands_get_smaller_blocks(tmp_path):
    spec = RasterSpec([f"f{i}" for i in range(64)], "float32", math.nan, "average")
    path = write(tmp_path / "a.tif", PLACES["utm"]((300, 300)), spec, pixels(spec, (300, 300)))
    with rasterio.open(path) as ds:
        assert ds.block_shapes[0] == (256, 256)
    assert valid(path) == (True, [], [])


def test_an_exception_leaves_nothing(tmp_path):
    def run():
        with RasterWriter(tmp_path / "a.tif", PLACES["utm"]((9, 9)), spec=KINDS["classes"]):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("rows", "cols", "block"),
    [
        (slice(0, 5), slice(0, 5), np.zeros((1, 5, 4), "uint8")),
        (slice(0, 5), slice(0, 5), np.zeros((1, 5, 5), "int64")),
        (slice(6, 11), slice(0, 5), np.zeros((1, 5, 5), "uint8")),
        (slice(-1, 4), slice(0, 5), np.zeros((1, 5, 5), "uint8")),
        (slice(3, 3), slice(0, 5), np.zeros((1, 0, 5), "uint8")),
    ],
)
def test_wrong_blocks_are_named(tmp_path, rows, cols, block):
    writer = RasterWriter(tmp_path / "a.tif", PLACES["utm"]((10, 10)), spec=KINDS["classes"])
    with pytest.raises(OutputError, match=r"a\.tif, which is uint8 \(1, 10, 10\)"):
        writer.write(rows, cols, block)
    writer.abort()
    with pytest.raises(OutputError, match="finished"):
        writer.finish()
    with pytest.raises(OutputError, match="finished"):
        writer.write(rows, cols, block)


def test_a_legend_needs_its_own_type():
    with pytest.raises(OutputError, match="1 band of uint8"):
        RasterSpec(["a"], "float32", math.nan, "average", LEGEND)


def test_missing_folder_and_too_little_room(tmp_path):
    with pytest.raises(OutputError, match="folder .*does not exist; create it"):
        RasterWriter(tmp_path / "no" / "a.tif", PLACES["utm"]((9, 9)), spec=KINDS["classes"])
    with pytest.raises(OutputError, match=r"no space left: [\d.]+ MiB needed, [\d.]+ MiB free"):
        RasterWriter(tmp_path / "a.tif", PLACES["utm"]((10**7, 10**7)), spec=KINDS["classes"])
    assert list(tmp_path.iterdir()) == []


FULL_DISK = """
    import resource, sys
    from pathlib import Path
    import numpy as np
    from affine import Affine
    from odc.geo.geobox import GeoBox
    from georaster_dl.core.errors import OutputError
    from georaster_dl.io.output.writer import RasterSpec, RasterWriter

    folder = Path(sys.argv[1])
    box = GeoBox((2048, 2048), Affine(10, 0, 3e5, 0, -10, 5e6), "EPSG:32633")
    block = np.random.default_rng(0).integers(0, 9, (1, 500, 500), dtype="uint8")
    for kib in map(int, sys.argv[2:]):
        resource.setrlimit(resource.RLIMIT_FSIZE, (kib * 1024, resource.RLIM_INFINITY))
        path = folder / "a.tif"
        try:
            with RasterWriter(path, box, spec=RasterSpec(["c"], "uint8", 255, "mode")) as writer:
                for row in range(0, 2048, 512):
                    for col in range(0, 2048, 512):
                        writer.write(slice(row, row + 500), slice(col, col + 500), block)
        except OutputError as error:
            assert "a.tif" in str(error) and "disk" in str(error), error
            assert "\\n" not in str(error)
            assert list(folder.iterdir()) == [], list(folder.iterdir())
            print("refused")
        else:
            print("complete")
            path.unlink()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no file-size limit")
def test_a_full_disk_never_leaves_a_truncated_file(tmp_path):
    # 16 blocks of 256 KiB, overviews and a COG of about 1.5 MiB: the limits hit the header, blocks in
    # the middle, only the last block (which GDAL loses without a word), the overviews, nothing.
    limits = ["1", "300", "2000", "3900", "4090", "4200", "5000", "5300", "20000"]
    script = textwrap.dedent(FULL_DISK)
    run = subprocess.run(  # a file-size limit cannot be lifted again in this process
        [sys.executable, "-c", script, str(tmp_path), *limits],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == ["refused"] * 8 + ["complete"], run.stderr


def _written(path, block, **spec):
    names = [f"b{i}" for i in range(len(block))]
    box = GeoBox(block.shape[1:], NORTH_UP, "EPSG:32633")
    described = RasterSpec(
        names=names, dtype="float32", nodata=math.nan, overview="average", **spec
    )
    with RasterWriter(path, box, spec=described) as writer:
        for top in range(0, block.shape[1], 200):
            rows = slice(top, min(top + 200, block.shape[1]))
            writer.write(rows, slice(0, block.shape[2]), block[:, rows])
    return rasterio.open(path)


@pytest.fixture
def quantity():
    """Two bands of values far from zero, with nodata, and a third that has nothing at all."""
    rng = np.random.default_rng(0)
    block = rng.normal([[[1e4]], [[-3.0]], [[0.0]]], [[[0.5]], [[2.0]], [[1.0]]], (3, 600, 530))
    block[:, 100:140, 50:90] = np.nan
    block[2] = np.nan
    return block.astype(np.float32)


def test_statistics_are_in_the_file(tmp_path, quantity):
    with _written(tmp_path / "q.tif", quantity, statistics=True) as dataset:
        for band in (1, 2):
            known = quantity[band - 1][np.isfinite(quantity[band - 1])].astype(np.float64)
            tags = {k: float(v) for k, v in dataset.tags(band).items()}
            assert tags["STATISTICS_MINIMUM"] == pytest.approx(known.min())
            assert tags["STATISTICS_MAXIMUM"] == pytest.approx(known.max())
            assert tags["STATISTICS_MEAN"] == pytest.approx(known.mean(), rel=1e-8)
            assert tags["STATISTICS_STDDEV"] == pytest.approx(known.std(), rel=1e-6)
            assert tags["STATISTICS_VALID_PERCENT"] == pytest.approx(
                100 * known.size / quantity[0].size
            )
        assert dataset.tags(3) == {}


def test_packed_values_are_within_half_a_step(tmp_path, quantity):
    quantity[1, 0] = 7.0
    with _written(tmp_path / "q.tif", quantity, packed=True, unit="m") as dataset:
        assert set(dataset.dtypes) == {"int16"}
        assert dataset.nodata == -32768
        assert dataset.units == ("m",) * 3
        assert cog_validate(dataset.name)[0]
        numbers = dataset.read()
        values = numbers * np.array(dataset.scales)[:, None, None]
        values += np.array(dataset.offsets)[:, None, None]
        known = np.isfinite(quantity)
        assert (numbers[~known] == -32768).all()
        assert (numbers[known] > -32768).all()
        for band in (0, 1):
            error = np.abs(values[band] - quantity[band])[known[band]]
            # and float32's own rounding of values near 10,000
            assert error.max() <= dataset.scales[band] * 0.5 * 1.001
        tags = dataset.tags(1)
        assert float(tags["STATISTICS_MINIMUM"]) == pytest.approx(-32767)
        assert float(tags["STATISTICS_MAXIMUM"]) == pytest.approx(32767)
    assert [path.name for path in tmp_path.iterdir()] == ["q.tif"]


def test_wavelengths_come_back(tmp_path, quantity):
    bands = (Band("b0", 492.4, 65.0), Band("b1", 2202.4), Band("b2"))
    _written(tmp_path / "q.tif", quantity, bands=bands).close()
    assert open_scene(tmp_path / "q.tif").bands == bands
