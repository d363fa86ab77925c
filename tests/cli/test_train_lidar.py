"""``geodl train --task lidar`` and ``geodl lidar segment``."""

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from geodl_cli.main import geodl

from georaster_dl.core.errors import OptionError
from tests.lidar.clouds import village, write_cloud

sys.path.insert(0, str(Path(__file__).parents[2] / "sample_tiles"))
from street import simulate_street


def run(*arguments):
    return CliRunner().invoke(geodl, [str(each) for each in arguments], catch_exceptions=False)


@pytest.fixture(scope="module")
def streets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("streets")
    for seed in range(3):
        simulate_street(folder / f"s{seed}", rotations=1, seed=seed, fibers=8, firings=100)
    return sorted(folder.iterdir())


def test_sequences_make_a_network_that_segments_them(streets, tmp_path):
    settings, model = tmp_path / "t.toml", tmp_path / "m.safetensors"
    settings.write_text("[lidar]\nslices = 2\nr_max = 30.0\n")
    done = run(
        "train", "--task", "lidar", *streets, "-o", model, "--epochs", 1, "--config", settings
    )
    assert done.exit_code == 0
    assert "mIoU, test" in done.output
    done = run("lidar", "segment", streets[0], "-m", model, "-o", tmp_path / "out", "--slices", 1)
    assert done.exit_code == 0
    assert "1 rotation of 1 slice: acquisition 99 ms + inference" in done.output
    assert len((tmp_path / "out" / "labels" / "000000.bin").read_bytes()) == 800
    shown = run("models", "show", model).output
    assert "2 slices a turn, helixnet layout" in shown
    assert "halo" not in shown


def test_tiles_make_a_forest(tmp_path):
    clouds = [village(n, origin=(650_000.0 + 100 * n, 6_860_000.0)) for n in range(2)]
    tiles = [write_cloud(tmp_path / f"{n}.las", **cloud) for n, cloud in enumerate(clouds)]
    done = run("train", "--task", "lidar", *tiles, "--seed", 4, "-o", tmp_path / "points.skops")
    assert done.exit_code == 0
    assert "mIoU" in done.output
    assert (tmp_path / "points.skops").exists()


@pytest.mark.parametrize("output", ["m.safetensors", "m.skops"])
def test_settings_of_images_are_refused(streets, tmp_path, output):
    with pytest.raises(OptionError, match="block"):
        run("train", "--task", "lidar", *streets, "-o", tmp_path / output, "--block", 3)


def test_an_unknown_setting_of_the_file_is_refused(streets, tmp_path):
    settings = tmp_path / "t.toml"
    settings.write_text("[lidar]\nslice = 2\n")
    with pytest.raises(OptionError, match="slices"):
        run(
            "train",
            "--task",
            "lidar",
            *streets,
            "-o",
            tmp_path / "m.safetensors",
            "--config",
            settings,
        )
