"""``geodl models fit``."""

import json
from pathlib import Path

from click.testing import CliRunner
from geodl_cli.commands.models import models

SAMPLES = Path(__file__).parents[2] / "sample_tiles"
BUNDLED = ["s2-landcover", "lai-s2", "landcover-sample"]


def rows(*arguments):
    ended = CliRunner().invoke(models, ["fit", *map(str, arguments), "--json"])
    assert ended.exit_code == 0, ended.output
    return json.loads(ended.stdout)


def test_bundled_models_that_fit_stand_before_that_of_the_demonstration():
    found = rows(SAMPLES / "s2_east.tif")
    assert [row["name"] for row in found] == BUNDLED
    assert all(row["fits"] and row["by_name"] and row["reason"] is None for row in found)


def test_a_fit_by_wavelengths_alone_is_told():
    found = rows(SAMPLES / "hyperspectral.img")
    assert {row["name"]: row["by_name"] for row in found} == dict.fromkeys(BUNDLED, False)
    text = CliRunner().invoke(models, ["fit", str(SAMPLES / "hyperspectral.img")]).stdout
    assert "s2-landcover      fits (segmentation, by wavelengths alone)" in text


def test_own_models_are_tried_first_and_misfits_say_why(tmp_path):
    other = tmp_path / "other.safetensors"
    other.write_text("none")
    found = rows(SAMPLES / "s2_east.tif", "-m", other, "--bands", ",".join("abcdefghij"))
    assert [row["name"] for row in found] == [str(other), *BUNDLED]
    assert not any(row["fits"] for row in found)
    assert "is not a model package" in found[0]["reason"]
    assert "B03" in found[1]["reason"]
