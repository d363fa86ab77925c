"""Arrays of NumPy and MATLAB given as scenes: the message holds code that converts them."""

import numpy as np
import pytest
import scipy.io

from georaster_dl import open_scene
from georaster_dl.core.errors import SceneError
from georaster_dl.core.scene_options import SceneOptions
from georaster_dl.io.scenes.reader import open_scene as described

CUBE = np.arange(5 * 6 * 20, dtype="float32").reshape(5, 6, 20)  # rows, cols, bands


@pytest.mark.parametrize("kind", ["npy", "mat"])
def test_the_code_in_the_message_converts_the_cube(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    if kind == "npy":
        np.save("cube.npy", CUBE)
    else:
        scipy.io.savemat("cube.mat", {"cube": CUBE, "labels": np.ones((5, 6))})
    with pytest.raises(SceneError, match=r"\(5, 6, 20\)") as caught:
        open_scene(f"cube.{kind}")
    code = str(caught.value).partition("in Python: ")[2].partition(" (other")[0]
    exec(code, {})
    np.testing.assert_array_equal(open_scene("cube.tif").read().array, CUBE.transpose(2, 0, 1))


def test_stated_wavelengths_tell_which_axis_is_the_bands(tmp_path):
    np.save(tmp_path / "cube.npy", CUBE.transpose(0, 2, 1))
    options = SceneOptions(wavelengths=tuple(np.arange(400.0, 600, 10)))
    with pytest.raises(SceneError, match=r"transpose\(1, 0, 2\).*`wavelengths=`"):
        described(tmp_path / "cube.npy", options)


def test_matlab_of_version_7_3_has_its_axes_in_reverse(tmp_path):
    (tmp_path / "cube.mat").write_bytes(b"MATLAB 7.3 MAT-file" + b" " * 500)
    with pytest.raises(SceneError, match=r"h5py.File.*transpose\(0, 2, 1\)"):
        open_scene(tmp_path / "cube.mat")


def test_a_cube_from_python_needs_no_file():
    assert open_scene(CUBE.transpose(2, 0, 1)).shape == (5, 6)


@pytest.mark.parametrize("turned", [False, True])
def test_the_code_for_pixels_below_one_another_takes_columns_first_as_matlab_does(
    tmp_path, monkeypatch, turned
):
    monkeypatch.chdir(tmp_path)
    pixels = CUBE.transpose(2, 0, 1)[:3].reshape(3, -1, order="F")
    scipy.io.savemat("cube.mat", {"Y": pixels.T if turned else pixels})
    with pytest.raises(
        SceneError, match=r"along rows, .* need .reshape\(3, rows, cols\)"
    ) as caught:
        open_scene("cube.mat")
    code = str(caught.value).partition("in Python: ")[2].partition(" (other")[0]
    exec(code, {})
    np.testing.assert_array_equal(open_scene("cube.tif").read().array, CUBE.transpose(2, 0, 1)[:3])
