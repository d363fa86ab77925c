"""Finished strips are kept whole, and only for the run that made them."""

import os
import sys

import numpy as np
import pytest

from georaster_dl.core.errors import OutputError
from georaster_dl.predict.engine.journal import Journal

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
    assert journal.done(range(2)) == {0}  # the second strip was not finished
    first, second = journal.blocks(0, KINDS)
    assert first[:3] == ("map", slice(0, 3), slice(0, 4))
    assert np.array_equal(first[3], _block(0))
    assert (second[0], second[3].dtype) == ("confidence", np.float32)
    assert not [path.name for path in (tmp_path / "run").iterdir() if path.name.startswith(".")]
    journal.remove()
    assert not (tmp_path / "run").exists()


def test_strips_of_another_run_are_thrown_away(tmp_path):
    _filled(tmp_path / "run", {"model": "a"})
    assert Journal(tmp_path / "run", {"model": "a"}).done([0, 1]) == {0}
    assert Journal(tmp_path / "run", {"model": "b"}).done([0, 1]) == set()


def test_the_first_decides_how_the_scene_is_cut(tmp_path):
    first, second = (Journal(tmp_path / "run", {}) for _ in range(2))
    assert first.agreed({"tile": [8, 8]}) == {"tile": [8, 8]}
    assert second.agreed({"tile": [4, 4]}) == {"tile": [8, 8]}
    second.cut_again()
    assert second.agreed({"tile": [4, 4]}) == {"tile": [4, 4]}


def _damage(path, how):
    content = path.read_bytes()
    path.unlink()
    if how == "folder":
        path.mkdir()
    elif how == "link":
        path.symlink_to(path.with_name("nowhere"))
    elif how == "pipe":
        os.mkfifo(path)
    else:
        path.write_bytes(how(content))


DAMAGES = {
    "empty": lambda content: b"",
    "cut short": lambda content: content[:-5],
    "without its end": lambda content: content[: content.rfind(b"[")],
    "a changed pixel": lambda content: content.replace(_block(0).tobytes(), bytes(12)),
    "zeros": lambda content: bytes(len(content)),
    "of another kind": lambda content: b"{}",
    "a number": lambda content: b"7\n",
    "a block without end": lambda content: b'[0, [0, 3], [0, 4], "|u1", [1, 1000000000000]]\n',
    "nested": lambda content: b"[" * 9_000,
    "no text": lambda content: b"\xff\xfe" * 10,
    "a folder": "folder",
    "a link": "link",
    "a pipe": "pipe",
}
if sys.platform == "win32":
    del DAMAGES["a link"], DAMAGES["a pipe"]


@pytest.mark.parametrize("how", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_strip_is_none(tmp_path, how):
    journal = _filled(tmp_path / "run", {})
    path = tmp_path / "run" / "0.strip"
    _damage(path, how)
    assert journal.done([0]) == set()
    with journal.writing(KINDS) as file:  # and it can be made anew
        file.add("map", slice(0, 3), slice(0, 4), _block(0))
        file.done(0)
    assert journal.done([0]) == {0}


def test_a_strip_damaged_after_it_was_found_whole_is_told(tmp_path):
    journal = _filled(tmp_path / "run", {})
    path = tmp_path / "run" / "0.strip"
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(OutputError, match=r"0\.strip of a run is damaged"):
        list(journal.blocks(0, KINDS))
    assert not path.exists()


@pytest.mark.parametrize("how", DAMAGES.values(), ids=DAMAGES.keys())
@pytest.mark.parametrize("name", ["cut.json", "run.json"])
def test_a_damaged_agreement_is_made_anew(tmp_path, name, how):
    Journal(tmp_path / "run", {"model": "a"}).agreed({"tile": [8, 8], "halo": 1})
    _damage(tmp_path / "run" / name, how)
    journal = Journal(tmp_path / "run", {"model": "a"})
    assert journal.agreed({"tile": [4, 4], "halo": 1})["halo"] == 1
    assert Journal(tmp_path / "run", {"model": "a"}).agreed({"tile": [2, 2], "halo": 1}) in (
        {"tile": [4, 4], "halo": 1},
        {"tile": [8, 8], "halo": 1},
    )


def test_strips_cut_otherwise_are_not_mixed(tmp_path):
    one, other = (Journal(tmp_path / "run", {}) for _ in range(2))
    one.agreed({"tile": [8, 8]})
    with one.writing(KINDS) as file:
        file.add("map", slice(0, 3), slice(0, 4), _block(0))
        file.done(0)
    (tmp_path / "run/cut.json").write_text('{"tile": [4, 4]}')
    other.agreed({"tile": [8, 8]})
    assert (one.done([0]), other.done([0])) == ({0}, set())


def test_a_file_system_without_links(tmp_path, monkeypatch):
    def refused(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    first, second = (Journal(tmp_path / "run", {}) for _ in range(2))
    assert first.agreed({"tile": [8, 8]}) == second.agreed({"tile": [4, 4]}) == {"tile": [8, 8]}
    assert not [path.name for path in (tmp_path / "run").iterdir() if path.name.startswith(".")]


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_a_folder_that_leads_elsewhere_is_refused(tmp_path):
    (tmp_path / "victim").mkdir()
    (tmp_path / "run").symlink_to(tmp_path / "victim")
    with pytest.raises(OutputError, match="it is a link"):
        Journal(tmp_path / "run", {})
    assert not list((tmp_path / "victim").iterdir())
