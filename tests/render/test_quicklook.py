"""The quicklook: a readable picture for any scene."""

import matplotlib.image
import numpy as np
import pytest

from georaster_dl.core.errors import OutputError
from georaster_dl.core.legend import Legend, MapClass
from georaster_dl.render import quicklook, quicklook_page
from georaster_dl.render.quicklook import write_quicklook, write_value_quicklook

LEGEND = Legend(
    tuple(MapClass(i, f"class {i} $x_1$ & <{i}>", (20 * i, 255 - 20 * i, 77)) for i in range(9))
)


def picture(tmp_path, classes, **options):
    rng = np.random.default_rng(0)
    arguments = {
        "image": rng.normal(900, 100, (3, *classes.shape)),
        "image_valid": classes != 255,
        "legend": LEGEND,
        "counts": {LEGEND.names[0]: 3, LEGEND.names[2]: 1},
        "resolution_m": 10.0,
        "title": "scene",
    }
    out = tmp_path / "look.png"
    write_quicklook(out, classes=classes, **{**arguments, **options})
    return matplotlib.image.imread(out)


@pytest.mark.parametrize("shape", [(300, 300), (60, 600), (600, 60), (3, 4), (1, 1), (1, 800)])
def test_any_shape(tmp_path, shape):
    classes = np.random.default_rng(1).choice(np.array([0, 2, 5, 255], "uint8"), shape)
    pixels = picture(tmp_path, classes)
    rows, cols = pixels.shape[:2]
    assert 200 < rows < 2000
    assert 400 < cols < 2000
    for value in set(np.unique(classes)) - {255}:
        color = np.array(LEGEND.classes[value].color) / 255
        assert (np.abs(pixels[..., :3] - color).max(-1) < 0.01).any()


@pytest.mark.parametrize(
    "options",
    [
        {"image": None, "image_valid": None},
        {"image_valid": None, "resolution_m": None},
        {"image": np.full((3, 20, 30), np.nan)},
        {"image": np.zeros((3, 20, 30))},
        {"resolution_m": 1e-4},
        {"resolution_m": 1e5},
    ],
)
def test_missing_and_degenerate_inputs(tmp_path, options):
    assert picture(tmp_path, np.zeros((20, 30), "uint8"), **options).size


def test_a_scene_without_any_class(tmp_path):
    assert picture(tmp_path, np.full((20, 30), 255, "uint8")).size


def test_many_two_byte_classes(tmp_path):
    legend = Legend(tuple(MapClass(i * 300, f"class {i}", (i, i, i)) for i in range(60)))
    classes = (np.arange(3600).reshape(60, 60) // 60 * 300).astype("uint16")
    assert picture(tmp_path, classes, legend=legend).size


def test_shares_are_those_of_the_counts():
    first, last = LEGEND.classes[0], LEGEND.classes[5]
    entries, hidden = quicklook._shares({first.name: 3, last.name: 1}, LEGEND)
    assert entries == [(first, 75.0), (last, 25.0)]
    assert hidden == 0


@pytest.mark.parametrize(
    ("most", "length"), [(1, 1), (1.99, 1), (2, 2), (7, 5), (1234, 1000), (0.03, 0.02)]
)
def test_scale_bar_lengths_are_round(most, length):
    assert quicklook_page._round_length(most) == pytest.approx(length)


def test_different_shapes_are_named(tmp_path):
    with pytest.raises(OutputError, match=r"\(3, 2, 2\).*got \(3, 9, 9\)"):
        picture(tmp_path, np.zeros((2, 2), "uint8"), image=np.zeros((3, 9, 9)))


def test_unwritable(tmp_path):
    with pytest.raises(OutputError, match=r"Cannot write look\.png"):
        picture(tmp_path / "no", np.zeros((2, 2), "uint8"))


@pytest.mark.parametrize("shape", [(200, 300), (30, 900), (900, 30), (1, 1)])
@pytest.mark.parametrize("gaps", [0.0, 0.3, 1.0])
def test_values_of_any_shape(tmp_path, shape, gaps):
    rng = np.random.default_rng(0)
    values = rng.gamma(4, 4, shape).astype("float32")
    values[rng.random(shape) < gaps] = np.nan
    out = tmp_path / "look.png"
    write_value_quicklook(
        out,
        image=rng.normal(900, 100, (3, *shape)),
        image_valid=np.isfinite(values),
        values=values,
        name="canopy height $x_1$ (m)",
        resolution_m=10.0,
        title="scene",
    )
    pixels = matplotlib.image.imread(out)
    assert min(pixels.shape[:2]) > 200
    assert max(pixels.shape[:2]) < 2000
