"""The real geodl, and programs that stand for a broken one."""

import os
import shutil
import stat
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def geodl():
    """Path of the geodl that is installed with this Python."""
    found = shutil.which("geodl", path=str(Path(sys.executable).parent))
    assert found, "geodl is not installed; run pip install -e '.[dev]'"
    return Path(found)


@pytest.fixture
def program(tmp_path):
    """Factory of programs that are the given Python code."""
    if os.name == "nt":
        pytest.skip("a script is no program on Windows")

    def make(code, name="geodl"):
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!{sys.executable}\n{code}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    return make
