"""Finished strips are kept whole, and only for the run that made them."""

import numpy as np
import pytest

from georaster_dl.errors import OutputError
from georaster_dl.predict.journal import Journal

KINDS = ["map", "confidence"]


def _block(seed, shape=(1, 3, 4)):
    return np.random.default_rng(seed).integers(0, 9, shape).astype("uint8")


def _filled(folder, facts):
    journal = Journal(folder, facts)
    with journal.writing(KINDS) as file:
        file.add("map", slice(0, 3), slice(0, 4), _block(0))
        file.add("confidence", slice(0, 3), slice(0, 4), _block(1).astype("float32"))
        file.done(0)
        file.add("map", slice(3, 6), slice(0, 4), _block(2))
    return journal


def test_blocks_come_back_as_they_went_in(tmp_path):
    journal = _filled(tmp_path / "run", {"model": "a"})
    assert journal.done() == {0}  # the second strip was not finished
    first, second = journal.blocks(0, KINDS)
    assert first[:3] == ("map", slice(0, 3), slice(0, 4))
    assert np.array_equal(first[3], _block(0))
    assert (second[0], second[3].dtype) == ("confidence", np.float32)
    assert not [path.name for path in (tmp_path / "run").iterdir() if path.name.startswith(".")]
    journal.remove()
    assert not (tmp_path / "run").exists()


def test_strips_of_another_run_are_thrown_away(tmp_path):
    _filled(tmp_path / "run", {"model": "a"})
    assert Journal(tmp_path / "run", {"model": "a"}).done() == {0}
    assert Journal(tmp_path / "run", {"model": "b"}).done() == set()


def test_the_first_decides_how_the_scene_is_cut(tmp_path):
    first, second = (Journal(tmp_path / "run", {}) for _ in range(2))
    assert first.agreed({"tile": [8, 8]}) == {"tile": [8, 8]}
    assert second.agreed({"tile": [4, 4]}) == {"tile": [8, 8]}
    second.cut_again()
    assert second.agreed({"tile": [4, 4]}) == {"tile": [4, 4]}


def test_a_damaged_strip_is_removed_and_told(tmp_path):
    journal = _filled(tmp_path / "run", {})
    path = tmp_path / "run" / "0.strip"
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(OutputError, match=r"0\.strip of a run is damaged"):
        list(journal.blocks(0, KINDS))
    assert journal.done() == set()
