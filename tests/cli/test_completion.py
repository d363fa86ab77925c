"""The shells themselves complete ``geodl``, by the script that it prints."""

import os
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.test_startup import imported

BIN = Path(sys.executable).parent

START = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "-f", "-i"],
}
SETUP = {
    "bash": 'eval "$(geodl completion bash)"',
    "zsh": 'autoload -Uz compinit; compinit -D; eval "$(geodl completion zsh)"',
}
TYPED = [
    ("geodl mosa", "geodl mosaic"),
    ("geodl qgis ins", "geodl qgis install"),
    ("geodl segment --quickl", "--quicklook"),
    ("geodl segment -m s2-", "s2-landcover"),
    ("geodl models show landc", "landcover-sample"),
    ("geodl train --task regr", "regression"),
    ("geodl segment uniq", "unique_scene.tif"),
    ("geodl segment -m uniq", "unique_scene.tif"),
    ("geodl cluster uniq", "unique_scene.tif"),
    ("geodl segment scene.tif -o uniq", "unique_scene.tif"),
]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "unique_scene.tif").touch()
    return tmp_path


def environment(home):
    path = os.pathsep.join((str(BIN), os.environ["PATH"]))
    return {"PATH": path, "HOME": str(home), "TERM": "dumb", "PS1": "ready> ", "LC_ALL": "C.UTF-8"}


class Terminal:
    """A shell that believes a person sits before it."""

    def __init__(self, shell, folder):
        self._ours, theirs = os.openpty()
        self._process = subprocess.Popen(
            START[shell], stdin=theirs, stdout=theirs, stderr=theirs, cwd=folder,
            env=environment(folder), start_new_session=True,
        )  # fmt: skip
        os.close(theirs)

    def type(self, text):
        os.write(self._ours, text.encode())

    def wait_for(self, text, seconds=60):
        seen, end = "", time.monotonic() + seconds
        while text not in seen and time.monotonic() < end:
            if select.select([self._ours], [], [], 1)[0]:
                seen += os.read(self._ours, 4096).decode(errors="replace")
        assert text in seen, seen

    def close(self):
        self._process.kill()
        self._process.wait()
        os.close(self._ours)


@pytest.mark.slow
@pytest.mark.parametrize("shell", START)
def test_the_tab_key_completes(shell, folder):
    if shutil.which(shell) is None or not hasattr(os, "openpty"):
        pytest.skip(f"needs {shell} and a terminal")
    terminal = Terminal(shell, folder)
    try:
        terminal.wait_for("ready> ")
        terminal.type(f"{SETUP[shell]}; echo 'set '''up\n")
        terminal.wait_for("set up")
        for begun, completed in TYPED:
            terminal.type(f"{begun}\t")
            terminal.wait_for(completed)
            terminal.type("\x15")  # Ctrl-U: an empty line again
    finally:
        terminal.close()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("fish") is None, reason="needs fish")
def test_fish_completes(folder):
    asked = "".join(f"; complete -C '{begun}'; echo ----" for begun, _ in TYPED)
    done = subprocess.run(
        ["fish", "--no-config", "-c", f"geodl completion fish | source{asked}"],
        cwd=folder, env=environment(folder), capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    answers = done.stdout.split("----\n")
    for (begun, completed), answer in zip(TYPED, answers, strict=False):
        # fish adds a description behind a tab.
        found = {line.split("\t")[0] for line in answer.splitlines()}
        assert completed.split()[-1] in found, begun


def test_completing_imports_nothing_heavy(tmp_path):
    heavy = {"torch", "rasterio", "geopandas", "matplotlib", "sklearn", "pandas"}
    assert not heavy & imported("completion", "bash", cwd=tmp_path)
    code = (
        "import atexit, sys; atexit.register(lambda: print('|'.join(sys.modules)));"
        "from geodl_cli.main import main; main()"
    )
    for words in ("geodl segm", "geodl segment -m s2"):
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True,
            env=os.environ | {
                "_GEODL_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" ")),
            },
        )  # fmt: skip
        completed, *_, loaded = done.stdout.splitlines()
        assert completed in {"plain,segment", "file,s2"}
        assert not heavy & set(loaded.split("|"))
