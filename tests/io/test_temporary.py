"""Hidden files of runs: never a link of somebody else's, and gone when nobody will finish them."""

import os
import subprocess
import sys

import psutil
import pytest

from georaster_dl.core.errors import OutputError
from georaster_dl.io.files import temporary
from georaster_dl.io.files.atomic import write_atomically
from georaster_dl.io.files.temporary import remove_abandoned, temporary_folder, temporary_name
from georaster_dl.io.output.staging import Staging


def _left_by_a_killed_process(folder):
    """A hidden folder with a file, and a hidden file, of a process that was killed."""
    script = (
        "import os, sys; from pathlib import Path\n"
        "from georaster_dl.io.files.temporary import temporary_folder, temporary_name\n"
        "here = Path(sys.argv[1]); made = temporary_folder(here); (made / 'map.tif').touch()\n"
        "file = temporary_name(here); file.touch(); print(made.name, file.name, flush=True)\n"
        "os.kill(os.getpid(), 9)"
    )
    command = [sys.executable, "-c", script, folder]
    ended = subprocess.run(command, check=False, capture_output=True, text=True)
    return ended.stdout.split()


@pytest.fixture
def left(tmp_path):
    return _left_by_a_killed_process(tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_what_a_killed_process_left_goes_with_the_next_run(tmp_path, left):
    assert len(left) == 2
    (tmp_path / ".geodl-batch").mkdir()
    with Staging(tmp_path / "map.tif", overwrite=False) as stage:
        assert not any((tmp_path / name).exists() for name in left)
        stage.path(tmp_path / "map.tif").touch()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".geodl-batch", "map.tif"]


def test_what_living_processes_and_other_machines_make_stays(tmp_path):
    made, file = temporary_folder(tmp_path), temporary_name(tmp_path)
    file.touch()
    pid = next(pid for pid in range(2**22 - 1, 0, -1) if not psutil.pid_exists(pid))
    elsewhere = tmp_path / f".geodl-another.1-{pid}-1700000000-abc"
    elsewhere.mkdir()
    remove_abandoned(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {made.name, file.name, elsewhere.name}


def test_a_number_that_another_process_has_by_now(tmp_path):
    machine = temporary._machine()
    began = int(psutil.Process().create_time())
    for age in (0, 3600):
        (tmp_path / f".geodl-{machine}-{os.getpid()}-{began - age}-abc").mkdir()
    remove_abandoned(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [
        f".geodl-{machine}-{os.getpid()}-{began}-abc"
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_a_leftover_that_is_a_link_costs_the_link_alone(tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious/file").touch()
    link = tmp_path / f".geodl-{temporary._machine()}-{os.getpid()}-1-abc"
    link.symlink_to(tmp_path / "precious")
    remove_abandoned(tmp_path)
    assert not link.is_symlink()
    assert (tmp_path / "precious/file").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_a_file_is_never_written_through_a_link(tmp_path, monkeypatch):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "out.json").symlink_to(victim)  # as an output: replaced
    write_atomically(tmp_path / "out.json", b"new")
    assert not (tmp_path / "out.json").is_symlink()
    monkeypatch.setattr(temporary.secrets, "token_hex", lambda _n: "guessed")
    temporary_name(tmp_path).symlink_to(victim)  # as a temporary name: refused
    with pytest.raises(OutputError, match=r"Cannot write .*out\.json: File exists"):
        write_atomically(tmp_path / "out.json", b"newer")
    assert victim.read_text() == "precious"


@pytest.mark.skipif(sys.platform == "win32", reason="permissions")
def test_a_file_has_the_usual_permissions(tmp_path):
    write_atomically(tmp_path / "a", b"")
    (tmp_path / "b").touch()
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode
