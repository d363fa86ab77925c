"""The engine over real files: laws of identity, exactness, nodata, and of how work is cut."""

import copy
import sys
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from georaster_dl.core.bands import Band
from georaster_dl.io.scenes.planes import Plane
from georaster_dl.io.scenes.reader import open_scene
from georaster_dl.io.scenes.scene import Scene, SceneReader
from georaster_dl.models.package.values import Target
from georaster_dl.models.runtime.device import Device
from georaster_dl.models.runtime.features import FeatureNetwork
from georaster_dl.predict.engine.inference import Job, Product, run
from georaster_dl.predict.engine.optimise import optimise_network
from georaster_dl.predict.engine.tiling_plan import Plan
from georaster_dl.predict.options import SegmentOptions
from georaster_dl.predict.outputs.tasks import task_of
from georaster_dl.tiling.tiles import Tiling
from tests.cards import card
from tests.networks import Planes, SmallUNet, seeded

CPU = Device(torch.device("cpu"), torch.float32)
NODATA = -99.0
SOFTMAX = torch.nn.Softmax(dim=0)


@pytest.fixture(scope="module")
def memory_scene():
    """Factory of scenes whose reader gives an array: GDAL is tested elsewhere, sizes are many here."""
    arrays = {}

    class FromMemory(SceneReader):
        def __enter__(self):
            return self if self._scene.name in arrays else super().__enter__()

        def read(self, rows, cols, out=None):
            if self._scene.name not in arrays:
                return super().read(rows, cols, out)
            array, valid = arrays[self._scene.name]
            out[:] = array[:, rows, cols]
            return out, valid[rows, cols]

    patch = pytest.MonkeyPatch()
    patch.setattr("georaster_dl.predict.engine.strips.SceneReader", FromMemory)

    def make(array, valid=None, block_rows=1, block_cols=1):
        valid = np.ones(array.shape[1:], bool) if valid is None else valid
        name = str(len(arrays))
        arrays[name] = (array, valid)
        planes = tuple(
            Plane(Band(str(i)), "memory", i + 1, str(array.dtype)) for i in range(len(array))
        )
        grid = GeoBox(array.shape[1:], (1, 0, 0, 0, -1, 0), None)
        return Scene(name, planes, grid, None, block_rows, block_cols)

    yield make
    patch.undo()


def predict(
    scene,
    network,
    tiling,
    *,
    margin=0,
    batch=1,
    aoi_mask=None,
    gain=None,
    render=None,
    k=None,
    logits=True,
    activate=SOFTMAX,
    strips=None,
    done=lambda _: None,
    at_once=1,
    convert=None,
    panels=False,
):
    """Run the engine into an array of (planes, rows, cols)."""
    n = len(scene.planes)
    out = np.full((k or n, *scene.shape), NODATA, np.float32)

    def sink(rows, cols, block):
        out[:, rows, cols] = block

    product = Product(render or (lambda scores: scores.clone()), NODATA, sink, from_logits=logits)
    job = Job(
        scene,
        lambda: network,
        Plan(tiling, margin, batch, 0, 0, at_once, panels),
        CPU,
        gain or [1.0] * n,
        [0.0] * n,
        activate,
        {"map": product},
        aoi_mask=aoi_mask,
        strips=strips,
        strip_done=done,
        convert=convert,
    )
    run(job)
    return out


@st.composite
def cuts(draw):
    shape = draw(st.tuples(st.integers(1, 60), st.integers(1, 60)))
    halo = draw(st.integers(0, 6))
    tile = draw(st.integers(2 * halo + 1, 2 * halo + 25))
    tiling = Tiling(shape, tile=(tile, tile), halo=halo)
    return tiling, draw(st.integers(1, 9)), draw(st.integers(1, 3))


@given(cuts())
def test_the_identity_model_returns_the_scene(memory_scene, cut):
    tiling, block_rows, batch = cut
    array = np.random.default_rng(0).normal(size=(2, *tiling.shape)).astype("float32")
    scene = memory_scene(array, block_rows=block_rows)
    assert np.array_equal(predict(scene, Planes(2), tiling, batch=batch), array)


@given(cuts(), st.data())
def test_nodata_in_is_nodata_out(memory_scene, cut, data):
    tiling, block_rows, batch = cut
    rng = np.random.default_rng(data.draw(st.integers(0, 5)))
    array = rng.normal(size=(2, *tiling.shape)).astype("float32")
    valid = rng.random(tiling.shape) > data.draw(st.sampled_from([0.0, 0.5, 0.97, 1.0]))
    out = predict(memory_scene(array, valid, block_rows), Planes(2), tiling, batch=batch)
    assert np.array_equal(out[:, valid], array[:, valid])
    assert (out[:, ~valid] == NODATA).all()


@given(cuts(), st.integers(1, 30), st.booleans(), st.data())
def test_panels_of_a_strip_give_what_its_full_width_gives(memory_scene, cut, width, blended, data):
    """To the last bit, also where seams are blended and some tiles are not asked for."""
    tiling, block_rows, batch = cut
    rng = np.random.default_rng(data.draw(st.integers(0, 5)))
    array = rng.normal(size=(2, *tiling.shape)).astype("float32")
    valid = rng.random(tiling.shape) > data.draw(st.sampled_from([0.0, 0.9, 1.0]))
    asked = rng.random(tiling.shape) > data.draw(st.sampled_from([0.0, 0.99]))
    scene = memory_scene(array, valid, block_rows, width)
    settings = {
        "margin": tiling.largest_margin() if blended else 0,
        "batch": batch,
        "logits": not blended,
        "aoi_mask": lambda rows, cols: asked[rows, cols],
    }
    across, panels = (
        predict(scene, Planes(2), tiling, panels=each, **settings) for each in (False, True)
    )
    np.testing.assert_array_equal(panels, across)
    if not blended:
        np.testing.assert_array_equal(panels[:, valid & asked], array[:, valid & asked])


def test_a_panel_is_no_wider_than_a_tile_and_a_column_of_blocks(memory_scene, monkeypatch):
    array = np.random.default_rng(6).normal(size=(1, 40, 2000)).astype("float32")
    scene = memory_scene(array, None, 8, 100)
    strips = sys.modules["georaster_dl.predict.engine.strips"]
    held = []
    move = strips._Window._move

    def watching(self, along):
        move(self, along)
        held.append(self._numbers.shape)

    monkeypatch.setattr(strips._Window, "_move", watching)
    out = predict(scene, Planes(1), Tiling((40, 2000), tile=(20, 60), halo=2), panels=True)
    assert np.array_equal(out, array)
    assert max(shape[2] for shape in held) < 60 + 100


@pytest.mark.slow
@given(cuts())
def test_blended_constant_probabilities_stay_constant(memory_scene, cut):
    tiling, block_rows, batch = cut
    margin = tiling.largest_margin()
    scene = memory_scene(np.full((2, *tiling.shape), 3.0, "float32"), block_rows=block_rows)
    out = predict(scene, Planes(2), tiling, margin=margin, batch=batch, logits=False)
    assert (out == out[0, 0, 0]).all()
    assert out[0, 0, 0] == pytest.approx(0.5)


@pytest.mark.slow
@given(cuts(), st.booleans(), st.data())
def test_parts_of_the_strips_together_are_the_whole(memory_scene, cut, blended, data):
    """Also where seams are blended, and whatever is invalid."""
    tiling, block_rows, batch = cut
    rng = np.random.default_rng(data.draw(st.integers(0, 5)))
    array = rng.normal(size=(2, *tiling.shape)).astype("float32")
    valid = rng.random(tiling.shape) > data.draw(st.sampled_from([0.0, 0.9, 1.0]))
    scene = memory_scene(array, valid, block_rows)
    margin = tiling.largest_margin() if blended else 0
    given = {"margin": margin, "batch": batch, "logits": not blended}
    ended = []
    whole = predict(scene, Planes(2), tiling, done=ended.append, **given)
    assert ended == list(range(tiling.grid[0]))
    at = data.draw(st.integers(0, tiling.grid[0]))
    parts = [
        predict(scene, Planes(2), tiling, strips=strips, **given)
        for strips in (range(at), range(at, tiling.grid[0]))
        if strips
    ]
    together = np.where(parts[0] == NODATA, parts[-1], parts[0])
    assert np.array_equal(together, whole)
    assert len(parts) == 1 or ((parts[0] == NODATA) | (parts[1] == NODATA)).all()


def predict_values(scene, network, tiling, *, mean, std, **options):
    """Run the engine as for a regression model; (1, rows, cols) and what was found."""
    task = task_of(
        card(target=Target(name="height", unit="m", mean=mean, std=std)), SegmentOptions()
    )
    raster = task.raster("map")
    given = {"render": raster.render, "activate": task.activate, "logits": raster.from_logits}
    out = predict(scene, network, tiling, k=1, **given, **options)
    raster.seen(np.where(out == NODATA, np.nan, out))
    return out, task.findings()


@pytest.mark.slow
@given(cuts(), st.booleans(), st.floats(-1e3, 1e3), st.floats(0.01, 1e3))
def test_the_identity_regression_returns_the_band_in_the_targets_unit(
    memory_scene, cut, blended, mean, std
):
    tiling, block_rows, batch = cut
    rng = np.random.default_rng(0)
    array = rng.normal(size=(2, *tiling.shape)).astype("float32")
    valid = rng.random(tiling.shape) > 0.3
    valid[0, 0] = True
    scene = memory_scene(array, valid, block_rows)
    margin = tiling.largest_margin() if blended else 0
    out, found = predict_values(
        scene, Planes(1), tiling, mean=mean, std=std, margin=margin, batch=batch
    )
    expected = array[:1] * np.float32(std) + np.float32(mean)
    np.testing.assert_allclose(out[:, valid], expected[:, valid], rtol=1e-6, atol=1e-6 * std)
    assert (out[:, ~valid] == NODATA).all()
    kept = out[:, valid].astype(float)
    values = found.values["height (m)"]
    assert (values.min, values.max) == (kept.min(), kept.max())
    assert values.mean == pytest.approx(kept.mean(), rel=1e-6, abs=1e-6 * std)


@pytest.mark.slow
@given(cuts())
def test_a_blended_constant_value_stays_constant(memory_scene, cut):
    tiling, block_rows, batch = cut
    margin = tiling.largest_margin()
    scene = memory_scene(np.full((1, *tiling.shape), 1.3, "float32"), block_rows=block_rows)
    out, _ = predict_values(
        scene, Planes(1), tiling, mean=17.7, std=3.1, margin=margin, batch=batch
    )
    assert (out == out[0, 0, 0]).all()
    assert out[0, 0, 0] == pytest.approx(1.3 * 3.1 + 17.7)


def test_a_tiled_regression_equals_the_whole(memory_scene):
    network = seeded(SmallUNet(n_classes=1))
    array = np.random.default_rng(1).normal(size=(3, 150, 131)).astype("float32")
    tiling = Tiling((150, 131), tile=(72, 72), halo=16, stride=4)
    out, _ = predict_values(memory_scene(array), network, tiling, mean=20, std=5)
    np.testing.assert_allclose(out, whole(network, array) * 5 + 20, atol=1e-3)


def test_a_regression_without_a_valid_pixel_found_nothing():
    task = task_of(card(target=Target(name="height", mean=0, std=1)), SegmentOptions())
    task.raster("map").seen(np.full((1, 4, 4), np.nan, "float32"))
    assert task.findings().pixels == 0


def whole(network, array, stride=4):
    """Untiled result; the scene is padded at right and bottom to the stride with normalised zeros."""
    rows, cols = array.shape[1:]
    padded = np.zeros(
        (len(array), -(-rows // stride) * stride, -(-cols // stride) * stride), "float32"
    )
    padded[:, :rows, :cols] = array
    with torch.inference_mode():
        return network(torch.from_numpy(padded)[None])[0, :, :rows, :cols].numpy()


@pytest.mark.parametrize("shape", [(150, 131), (97, 64), (40, 200), (1, 77), (90, 1), (3, 3)])
def test_tiled_equals_whole_at_the_exact_halo(memory_scene, shape):
    network = seeded(SmallUNet())
    array = np.random.default_rng(1).normal(size=(3, *shape)).astype("float32")
    expected = whole(network, array)
    tiling = Tiling(shape, tile=(72, 72), halo=16, stride=4)
    prepared = optimise_network(copy.deepcopy(network), 3, 4, CPU.torch_device)
    out = predict(memory_scene(array), prepared, tiling, k=4)
    assert np.abs(out - expected).max() <= 1e-4 * expected.std()


@pytest.mark.slow
def test_a_halo_one_stride_too_small_is_not_exact(memory_scene):
    # Context of the small net: 1 + 2 * 1 + 4 * 1 of the convolutions and 3 of the pooling, 4 of the
    # up-sampling grid; 8 pixels of halo do not cover it, 12 do.
    network = seeded(SmallUNet())
    array = np.random.default_rng(1).normal(size=(3, 200, 200)).astype("float32")
    expected = whole(network, array)

    def error(halo):
        tiling = Tiling((200, 200), tile=(64, 64), halo=halo, stride=4)
        return np.abs(predict(memory_scene(array), network, tiling, k=4) - expected).max()

    exact = next(halo for halo in range(0, 40, 4) if error(halo) <= 1e-4 * expected.std())
    assert exact > 0
    assert error(exact - 4) > 1e-2 * expected.std()


def test_values_under_nodata_change_nothing_elsewhere(memory_scene):
    network = seeded(SmallUNet())
    rng = np.random.default_rng(2)
    array = rng.normal(size=(3, 90, 90)).astype("float32")
    valid = np.ones((90, 90), bool)
    valid[20:50, 30:60] = False
    other = array.copy()
    other[:, ~valid] = rng.choice([np.nan, np.inf, -1e30, 65535], size=(3, (~valid).sum()))
    tiling = Tiling((90, 90), tile=(48, 48), halo=8, stride=4)
    first, second = (predict(memory_scene(a, valid), network, tiling, k=4) for a in (array, other))
    assert np.array_equal(first, second)
    assert np.isfinite(first[:, valid]).all()


def test_empty_tiles_are_not_run_and_not_written(memory_scene):
    class Counting(Planes):
        calls = 0

        def forward(self, x):
            Counting.calls += len(x)
            return super().forward(x)

    array = np.ones((1, 100, 100), "float32")
    valid = np.zeros((100, 100), bool)
    valid[0:5, 0:5] = True
    tiling = Tiling((100, 100), tile=(25, 25), halo=0)
    out = predict(memory_scene(array, valid), Counting(1), tiling)
    assert Counting.calls == 1
    assert (out == 1).sum() == 25


def test_only_the_wanted_pixels_are_predicted_with_full_context(memory_scene):
    network = seeded(SmallUNet())
    array = np.random.default_rng(3).normal(size=(3, 120, 120)).astype("float32")
    asked = np.zeros((120, 120), bool)
    asked[50:60, 30:100] = True
    tiling = Tiling((120, 120), tile=(48, 48), halo=12, stride=4)
    full = predict(memory_scene(array), network, tiling, k=4)
    part = predict(memory_scene(array), network, tiling, k=4, aoi_mask=lambda r, c: asked[r, c])
    assert np.array_equal(part[:, asked], full[:, asked])
    assert (part[:, ~asked] == NODATA).all()


def test_batches_give_the_bytes_of_single_tiles(memory_scene):
    network = seeded(SmallUNet())
    array = np.random.default_rng(4).normal(size=(3, 100, 130)).astype("float32")
    tiling = Tiling((100, 130), tile=(48, 48), halo=8, stride=4)
    one, four = (predict(memory_scene(array), network, tiling, k=4, batch=n) for n in (1, 4))
    assert np.allclose(one, four, atol=1e-4)  # of numbers near 20; kernels sum in other orders


@pytest.mark.slow
@given(cuts(), st.integers(2, 4), st.data())
def test_several_tiles_at_once_give_the_bytes_of_one_after_the_other(
    memory_scene, cut, at_once, data
):
    tiling, block_rows, batch = cut
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    array = rng.normal(size=(3, *tiling.shape)).astype("float32")
    scene = memory_scene(array, rng.random(tiling.shape) > 0.3, block_rows)
    network = seeded(torch.nn.Sequential(torch.nn.Conv2d(3, 5, 1), torch.nn.ELU()))
    margin = data.draw(st.integers(0, tiling.largest_margin()))
    strips = []

    def made(n, done=lambda _: None):
        return predict(
            scene, network, tiling, k=5, margin=margin, batch=batch, at_once=n, done=done,
            convert=lambda tile: replace(tile, numbers=tile.numbers + 1),
        )  # fmt: skip

    assert np.array_equal(made(at_once, strips.append), made(1))
    assert strips == list(range(tiling.grid[0]))


def test_features_of_tiles_at_once_are_not_taken_for_each_others(memory_scene):
    inner = torch.nn.Sequential(torch.nn.Conv2d(3, 6, 1), torch.nn.ELU(), torch.nn.Conv2d(6, 2, 1))
    seeded(inner).stride = 1
    network = FeatureNetwork(inner, 3, "1")
    array = np.random.default_rng(8).normal(size=(3, 320, 64)).astype("float32")
    tiling = Tiling(array.shape[1:], tile=(2, 64), halo=0)
    several = predict(memory_scene(array), network, tiling, k=6, at_once=4)
    assert np.array_equal(several, predict(memory_scene(array), network, tiling, k=6))


def test_torch_keeps_its_number_of_threads_and_an_error_of_the_network_ends_the_run(memory_scene):
    class Failing(Planes):
        def forward(self, x):
            if x.mean() > 2:
                raise RuntimeError("no such layer")
            return super().forward(x)

    array = np.repeat(np.arange(40, dtype="float32"), 5).reshape(1, 40, 5) / 10
    before = torch.get_num_threads()
    tiling = Tiling((40, 5), tile=(1, 5), halo=0)
    with pytest.raises(RuntimeError, match="no such layer"):
        predict(memory_scene(array), Failing(1), tiling, at_once=3)
    seen = []
    thread = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert seen == [torch.get_num_threads()] == [before]
    assert not [t for t in threading.enumerate() if t.name.startswith(("network", "reader"))]


@pytest.mark.parametrize(("tile", "halo"), [((80, 80), 16), ((12, 80), 0), ((7, 170), 0)])
def test_every_pixel_of_a_file_is_read_once(make_tif, monkeypatch, tile, halo):
    array = np.random.default_rng(5).integers(1, 99, (2, 300, 170)).astype("uint16")
    path = make_tif(array, tiled=True, blockxsize=64, blockysize=64)
    hits = np.zeros((300, 170), int)
    read = SceneReader.read

    def counting(self, rows, cols, out=None):
        hits[rows, cols] += 1
        return read(self, rows, cols, out)

    monkeypatch.setattr(SceneReader, "read", counting)
    tiling = Tiling((300, 170), tile=tile, halo=halo, stride=4 if halo else 1)
    out = predict(open_scene(path), Planes(2), tiling)
    assert np.array_equal(out, array)
    assert (hits == 1).all()


def test_a_file_of_tall_blocks_is_read_in_ranges_not_in_flat_tiles(memory_scene, monkeypatch):
    array = np.random.default_rng(6).normal(size=(1, 1000, 9)).astype("float32")
    scene = memory_scene(array, block_rows=2000)
    calls = []
    strips = sys.modules["georaster_dl.predict.engine.strips"]
    read = strips.SceneReader.read

    def counting(self, rows, cols, out=None):
        calls.append(rows)
        return read(self, rows, cols, out)

    monkeypatch.setattr(strips.SceneReader, "read", counting)
    out = predict(scene, Planes(1), Tiling((1000, 9), tile=(10, 9), halo=0))
    assert np.array_equal(out, array)
    assert [(r.start, r.stop) for r in calls] == [(0, 256), (256, 512), (512, 768), (768, 1000)]


def test_an_error_in_reading_ends_the_run(make_tif):
    path = make_tif(np.ones((1, 64, 64), "uint16"))
    scene = open_scene(path)
    path.unlink()
    with pytest.raises(OSError, match="cannot be opened"):
        predict(scene, Planes(1), Tiling((64, 64), tile=(32, 32), halo=0))


def test_an_error_in_writing_ends_the_run(memory_scene):
    scene = memory_scene(np.ones((1, 64, 64), "float32"))

    def sink(*_):
        raise OSError("disk full")

    tiling = Tiling((64, 64), tile=(8, 8), halo=0)
    product = Product(lambda s: s, NODATA, sink, from_logits=True)
    job = Job(
        scene,
        lambda: Planes(1),
        Plan(tiling, 0, 1, 0, 0),
        CPU,
        [1.0],
        [0.0],
        torch.clone,
        {"map": product},
    )
    with pytest.raises(OSError, match="disk full"):
        run(job)
