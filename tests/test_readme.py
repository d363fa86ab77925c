"""The Python of the README and of the pages runs as it stands."""

import doctest
import re
from pathlib import Path

import pytest

import georaster_dl as gdl

ROOT = Path(__file__).parents[1]

# The sample's model states in its card that it is a sample.
pytestmark = pytest.mark.filterwarnings("ignore::georaster_dl.GeoRasterWarning")


@pytest.mark.parametrize(
    ("page", "made"), [("README.md", "east.tif"), ("docs/index.md", "map.tif")]
)
def test_python_blocks_run(tmp_path, monkeypatch, page, made):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.S)
    assert blocks
    (tmp_path / "sample_tiles").symlink_to(ROOT / "sample_tiles")
    monkeypatch.chdir(tmp_path)
    for block in blocks:
        exec(compile(block, page, "exec"), {})
    assert gdl.read_map(made).class_counts["water"] > 1000


def test_every_file_it_names_is_there():
    links = re.findall(r"\]\(([^)#:]+)\)", (ROOT / "README.md").read_text())
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


@pytest.mark.slow
def test_examples_of_the_python_page_give_what_stands_there(tmp_path, monkeypatch):
    (tmp_path / "sample_tiles").symlink_to(ROOT / "sample_tiles")
    monkeypatch.chdir(tmp_path)
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    failed, tried = doctest.testfile(
        str(ROOT / "docs" / "python.md"), module_relative=False, optionflags=flags
    )
    assert (failed, tried > 10) == (0, True)
