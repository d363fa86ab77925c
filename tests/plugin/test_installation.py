"""Where geodl is found, whether it fits, and how the plugin makes an environment for it."""

import json
import os
import sys
import textwrap
from pathlib import Path

import pytest

from georaster_dl_qgis.program import installation
from georaster_dl_qgis.program.installation import find_geodl, find_python, install, version_of
from georaster_dl_qgis.program.runner import CancelledError, GeodlError

posix = pytest.mark.skipif(os.name == "nt", reason="scripts are no programs on Windows")


def never():
    return False


def test_the_setting_wins_over_the_variable_over_the_own_over_the_path(geodl, tmp_path, program):
    home = tmp_path / "home"
    (home / "env-1" / "bin").mkdir(parents=True)
    own = home / "env-1" / "bin" / "geodl"
    own.touch()
    on_path, variable = program("", "geodl"), program("", "other")
    environment = {"PATH": str(on_path.parent), "GEODL_EXE": str(variable)}
    assert find_geodl(str(geodl), environment, home).path == geodl
    assert (
        find_geodl(f" {geodl.parent.parent} ", environment, home).path == geodl
    )  # its environment
    assert find_geodl("", environment, home).path == variable
    del environment["GEODL_EXE"]
    assert find_geodl("", environment, home).path == on_path  # not finished: no current.json
    (home / "current.json").write_text('{"environment": "env-1"}')
    assert find_geodl("", environment, home).path == own
    (home / "current.json").write_text("{broken")
    assert find_geodl("", environment, home).path == on_path


@pytest.mark.parametrize(
    "environment",
    ["../evil", "{evil}", "env-1/../../evil", "env-link", ".", "", None, 7, ["env-1"]],
)
def test_only_what_was_made_here_is_started(tmp_path, program, environment):
    home, evil = tmp_path / "home", tmp_path / "evil"
    home.mkdir()
    (evil / "bin").mkdir(parents=True)
    (evil / "bin" / "geodl").touch()
    if os.name == "posix":
        (home / "env-link").symlink_to(evil)
    if isinstance(environment, str):
        environment = environment.replace("{evil}", str(evil))
    (home / "current.json").write_text(json.dumps({"environment": environment}))
    on_path = program("", "geodl")
    assert find_geodl("", {"PATH": str(on_path.parent)}, home).path == on_path


def test_a_geodl_that_is_named_and_missing_is_an_error(tmp_path, geodl):
    environment = {"PATH": str(geodl.parent)}
    with pytest.raises(
        GeodlError, match=r"no geodl at /nowhere, where the setting 'Path of geodl'"
    ):
        find_geodl("/nowhere", environment, tmp_path)
    with pytest.raises(GeodlError, match=r"no geodl at /nowhere, where the variable GEODL_EXE"):
        find_geodl("", {**environment, "GEODL_EXE": "/nowhere"}, tmp_path)


def test_no_geodl_at_all(tmp_path):
    with pytest.raises(GeodlError, match=r"not installed.*run 'Check or install geodl'"):
        find_geodl("", {"PATH": str(tmp_path)}, tmp_path)


def test_the_version(geodl):
    assert version_of(find_geodl(str(geodl), {}), os.environ, never)[0].isdigit()


@posix
@pytest.mark.parametrize(
    ("code", "said"),
    [
        (
            "print('geodl, version 0.0.9')",
            r"geodl 0.0.9 at \S+ is older than this plugin needs \(0.1\)",
        ),
        ("print('Python 3.11.2')", r"is not geodl: .* 'Python 3.11.2'"),
        ("", r"is not geodl: .* 'nothing'"),
        (
            "import nothing_like_it",
            r"geodl crashed \(exit status 1\).*No module named 'nothing_like_it'",
        ),
        ("import os; os.kill(os.getpid(), 11)", "ended by the signal SIGSEGV"),
    ],
)
def test_what_is_no_geodl_or_too_old(program, code, said):
    with pytest.raises(GeodlError, match=said):
        version_of(find_geodl(str(program(code)), {}), os.environ, never)


@posix
def test_one_that_may_not_be_run(program):
    path = program("")
    path.chmod(0o600)
    with pytest.raises(GeodlError, match=r"cannot be started \(Permission denied\)"):
        version_of(find_geodl(str(path), {}), os.environ, never)


@posix
def test_newer_versions_are_welcome(program):
    path = program("print('geodl, version 12.0.0.dev1')")
    assert version_of(find_geodl(str(path), {}), os.environ, never) == "12.0.0.dev1"


def test_a_python_that_was_asked_for():
    found = find_python(sys.executable, os.environ, never)
    assert Path(found.command[0]).is_absolute()
    assert found.command[1:] == ("-I", "-m", "venv", "--clear")


@posix
@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("python3", "print('[[3, 9, 1], \"/x\"]')", "is Python 3.9.1"),
        ("python3", "print('hello')", "is no Python"),
        ("python3", "import ensurepip_of_debian", "lacks venv or ensurepip"),
        ("python3", "raise SystemExit(9)", "does not start"),
        ("qgis-ltr", "raise SystemExit(9)", "is QGIS, no Python"),
    ],
)
def test_what_is_no_python_to_work_with(program, name, code, said):
    with pytest.raises(GeodlError, match=f"No Python 3.11 .*{said}.*Install one"):
        find_python(str(program(code, name)), os.environ, never)


@posix
def test_a_python_is_looked_for_on_the_path(program):
    old = program("print('[[3, 8, 0], \"/old\"]')", "python3")
    program("print('[[3, 12, 4], \"/new\"]')", "python3.12")
    found = find_python("", {"PATH": str(old.parent)}, never)
    assert found.command[0] == "/new"


@posix
def test_uv_is_the_last_resort(program):
    uv = program("", "uv")
    program("print('[[3, 8, 0], \"/old\"]')", "python3")
    found = find_python("", {"PATH": str(uv.parent)}, never)
    assert found.command[:2] == (str(uv), "venv")
    with pytest.raises(GeodlError, match="on the PATH"):
        find_python("", {"PATH": str(uv.parent / "none")}, never)


@pytest.fixture
def package(tmp_path):
    """Source of a package that brings a program called geodl, and needs nothing from a registry."""
    folder = tmp_path / "pack age"
    folder.mkdir()
    (folder / "pyproject.toml").write_text(
        textwrap.dedent("""
        [build-system]
        requires = []
        build-backend = "backend"
        backend-path = ["."]
        [project]
        name = "tiny"
        version = "1"
        """)
    )
    (folder / "tiny.py").write_text("def main():\n    print('geodl, version 0.1.7')\n")
    (folder / "backend.py").write_text(
        textwrap.dedent("""
        import zipfile
        def build_wheel(folder, settings=None, metadata=None):
            files = {
                "tiny.py": open("tiny.py").read(),
                "tiny-1.dist-info/METADATA": "Metadata-Version: 2.1\\nName: tiny\\nVersion: 1\\n",
                "tiny-1.dist-info/WHEEL": "Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
                "tiny-1.dist-info/entry_points.txt": "[console_scripts]\\ngeodl = tiny:main\\n",
            }
            record = "".join(f"{name},,\\n" for name in [*files, "tiny-1.dist-info/RECORD"])
            with zipfile.ZipFile(f"{folder}/tiny-1-py3-none-any.whl", "w") as wheel:
                for name, text in {**files, "tiny-1.dist-info/RECORD": record}.items():
                    wheel.writestr(name, text)
            return "tiny-1-py3-none-any.whl"
        """)
    )
    return folder


def installed(source, home, **given):
    how = {"line": lambda _: None, "stage": lambda *_: None, "cancelled": never, **given}
    # pip itself is newer nowhere, and nothing is fetched.
    environment = {**os.environ, "PIP_NO_INDEX": "1", "PYTHONHOME": "/usr"}
    python = find_python(sys.executable, os.environ, never)
    return install(python, str(source), environment, home=home, **how)


@pytest.mark.slow
def test_an_environment_is_made_replaced_and_never_half(package, tmp_path):
    home, stages = tmp_path / "hôme dir", []
    made = installed(package, home, stage=lambda percent, text: stages.append((percent, text)))
    assert version_of(made, os.environ, never) == "0.1.7"
    assert find_geodl("", {"PATH": ""}, home) == made
    assert [percent for percent, _text in stages] == sorted(percent for percent, _text in stages)
    first = json.loads((home / "current.json").read_text())
    assert first["version"] == "0.1.7"

    # One that fails leaves the old one in place, and nothing of itself.
    before = sorted(home.iterdir())
    backend = package / "backend.py"
    right = backend.read_text()
    backend.write_text(right.replace("geodl = tiny:main", "other = tiny:main"))
    with pytest.raises(GeodlError, match="brought no geodl; what to install must be georaster_dl"):
        installed(package, home)
    with pytest.raises(CancelledError):
        installed(package, home, cancelled=lambda: True)
    assert sorted(home.iterdir()) == before
    assert find_geodl("", {"PATH": ""}, home) == made

    backend.write_text(right)
    (package / "tiny.py").write_text("def main():\n    print('geodl, version 0.2.0')\n")
    newer = installed(package, home)
    assert version_of(newer, os.environ, never) == "0.2.0"
    assert not made.path.exists()
    assert find_geodl("", {"PATH": ""}, home) == newer


def test_a_file_that_is_not_there_is_told_before_anything_is_made(tmp_path):
    with pytest.raises(GeodlError, match=r"no file or folder \S*nothing.whl to install"):
        installed(tmp_path / "nothing.whl", tmp_path / "home")
    assert not (tmp_path / "home").exists()


def test_the_home_folder_is_the_users():
    assert installation.home_folder() == Path.home() / ".georaster_dl"
