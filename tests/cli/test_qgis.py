"""``geodl qgis``: the plugin in a profile, and as a zip that the repository takes."""

import os
import stat
import sys
import zipfile
from pathlib import Path

import pytest

from georaster_dl import __version__
from georaster_dl.core.errors import OptionError, OutputError, PluginError
from georaster_dl.qgis import install as installing
from georaster_dl.qgis import package as packaging
from georaster_dl.qgis import plugin as plugins
from georaster_dl.qgis import profile as profiles
from georaster_dl.qgis.command import find_geodl
from georaster_dl.qgis.install import install_plugin
from georaster_dl.qgis.package import broken_rules, package_plugin, plugin_files
from georaster_dl.qgis.plugin import plugin_folder, plugin_version
from georaster_dl.qgis.profile import Profile, choose_profiles
from georaster_dl.qgis.settings import read_entry
from tests.plugins import write_plugin

PLUGIN = "georaster_dl_qgis"


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home in which QGIS was never started."""
    folder = tmp_path / "home"
    folder.mkdir()
    for name in ("QGIS_CUSTOM_CONFIG_PATH", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", lambda: folder)
    monkeypatch.setattr(profiles.platform, "system", lambda: "Linux")
    return folder


@pytest.fixture
def source(tmp_path, monkeypatch):
    """The plugin that would be installed."""
    folder = write_plugin(tmp_path / "source")
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "plugin.cpython-311.pyc").write_bytes(b"x")
    monkeypatch.syspath_prepend(folder.parent)
    sys.modules.pop(PLUGIN, None)
    return folder


@pytest.fixture
def command(tmp_path):
    """A geodl whose path is as awkward as they get."""
    path = tmp_path / "Zoë's, env" / "geodl"
    path.parent.mkdir()
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def names(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*"))


INSTALLED = ["LICENSE", "__init__.py", "icon.svg", "metadata.txt"]


def test_install_where_qgis_was_never_started(geodl, home, source, command):
    ended = geodl("qgis", "install", "--geodl", command)
    assert (ended.code, ended.err) == (0, "")
    profile = home / ".local/share/QGIS/QGIS3/profiles/default"
    assert names(profile / "python/plugins") == [PLUGIN, *(f"{PLUGIN}/{n}" for n in INSTALLED)]
    content = (profile / "QGIS/QGIS3.ini").read_bytes()
    assert read_entry(content, "Processing", r"Configuration\GEORASTER_DL_GEODL") == str(command)
    assert read_entry(content, "PythonPlugins", PLUGIN) == "true"
    assert ended.out.splitlines() == [
        f"QGIS had no profile here yet; made {profile}",
        f"installed {profile}/python/plugins/{PLUGIN}  ({__version__})",
        f"switched on in {profile}/QGIS/QGIS3.ini",
        f"the plugin starts {command}",
        "next: restart QGIS, then open Processing > Toolbox > GeoRaster DL",
    ]
    assert PLUGIN not in sys.modules  # it would import QGIS


def test_install_again_replaces_all_of_it(geodl, home, source, command):
    profile = Profile(home / ".local/share/QGIS/QGIS3/profiles", "default")
    install_plugin(profile, write_plugin(home / "old", version="0.0.1"), command)
    (profile.plugin / "gone.py").touch()
    settings = profile.settings[0]
    settings.chmod(0o600)
    settings.write_bytes(b"[app]\nx%20y=1%\n\n" + settings.read_bytes())
    before = settings.read_bytes()
    out = geodl("qgis", "install", "--geodl", command).out
    assert out.startswith(f"installed {profile.plugin}  ({__version__}, in place of 0.0.1)")
    assert names(profile.plugin) == INSTALLED
    assert names(profile.plugin.parent)[0] == PLUGIN  # nothing beside it
    assert settings.read_bytes() == before
    assert stat.S_IMODE(settings.stat().st_mode) == 0o600
    assert names(settings.parent) == ["QGIS3.ini"]


def test_what_is_not_the_plugin_stays(refused, home, source, command):
    target = home / ".local/share/QGIS/QGIS3/profiles/default/python/plugins" / PLUGIN
    target.mkdir(parents=True)
    (target / "metadata.txt").write_text("[general]\nname=Something else\n")
    said = refused("qgis", "install", "--geodl", command)
    assert f"{target} is in the way: it is not the plugin of georaster_dl" in said


def test_a_copy_that_fails_leaves_the_old_one(home, source, command, monkeypatch):
    profile = Profile(home / "profiles", "default")
    install_plugin(profile, write_plugin(home / "old", version="0.0.1"), command)
    before = names(profile.folder)

    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(installing.shutil, "copytree", fail)
    with pytest.raises(OutputError, match="no space left"):
        install_plugin(profile, source, command)
    assert names(profile.folder) == before
    assert plugin_version(profile.plugin) == "0.0.1"


def test_a_rename_that_fails_puts_the_old_one_back(home, source, command, monkeypatch):
    profile = Profile(home / "profiles", "default")
    install_plugin(profile, write_plugin(home / "old", version="0.0.1"), command)
    before, rename = names(profile.folder), Path.rename

    def fail(path, target):
        if path.name == "new":
            raise PermissionError(13, "Permission denied", str(target))
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(OutputError, match="Permission denied"):
        install_plugin(profile, source, command)
    assert names(profile.folder) == before
    assert plugin_version(profile.plugin) == "0.0.1"


def test_a_link_to_the_plugin_stays_a_link(home, source, command, geodl):
    profile = Profile(home / ".local/share/QGIS/QGIS3/profiles", "default")
    profile.plugin.parent.mkdir(parents=True)
    profile.plugin.symlink_to(source)
    assert "stays one" in geodl("qgis", "install", "--geodl", command).out
    assert profile.plugin.is_symlink()
    profile.plugin.unlink()
    other = write_plugin(home / "other")
    profile.plugin.symlink_to(other)
    geodl("qgis", "install", "--geodl", command)
    assert not profile.plugin.is_symlink()
    assert names(other) == INSTALLED


def test_profiles_path(geodl, home, source, command, tmp_path):
    """As QGIS takes it, or the folder of profiles itself."""
    for given in (tmp_path / "own", tmp_path / "other" / "profiles"):
        given.mkdir(parents=True)
        assert geodl("qgis", "install", "--profiles-path", given, "--geodl", command).code == 0
    for folder in ("own", "other"):
        assert (tmp_path / folder / "profiles/default/python/plugins" / PLUGIN).is_dir()
    assert not (home / ".local").exists()
    assert "does not exist" in geodl("qgis", "install", "--profiles-path", "nowhere").err


def test_unknown_profile(refused, home, source, command):
    assert "QGIS was never started" in refused("qgis", "install", "--profile", "work")
    root = home / ".local/share/QGIS/QGIS3/profiles"
    for name in ("default", "field", ".hidden"):
        (root / name).mkdir(parents=True)
    said = refused("qgis", "install", "--profile", "work", "--geodl", command)
    assert f"There is no QGIS profile 'work' in {root}; there are: default, field." in said
    assert "no QGIS profile '../profiles/field'" in refused(
        "qgis", "install", "--profile", "../profiles/field"
    )


def test_every_qgis_with_the_profile_gets_it(home):
    data = home / ".local/share/QGIS"
    for version in ("QGIS3", "QGIS4"):
        (data / version / "profiles" / "default").mkdir(parents=True)
    (data / "QGIS4/profiles/new").mkdir()
    chosen = choose_profiles()
    assert [profile.root.parent.name for profile in chosen] == ["QGIS3", "QGIS4"]
    assert [profile.settings[0].name for profile in chosen] == ["QGIS3.ini", "QGIS4.ini"]
    assert [profile.folder for profile in choose_profiles("new")] == [data / "QGIS4/profiles/new"]


def test_where_profiles_are(home, monkeypatch):
    def first(system):
        monkeypatch.setattr(profiles.platform, "system", lambda: system)
        return profiles.own_roots()[0]

    monkeypatch.setenv("APPDATA", str(home / "Roaming"))
    assert first("Windows") == home / "Roaming/QGIS/QGIS3/profiles"
    assert first("Darwin") == home / "Library/Application Support/QGIS/QGIS3/profiles"
    assert choose_profiles()[0].settings[0].parent.name == "qgis.org"
    monkeypatch.setenv("XDG_DATA_HOME", str(home / "data"))
    assert first("Linux") == home / "data/QGIS/QGIS3/profiles"
    monkeypatch.setenv("QGIS_CUSTOM_CONFIG_PATH", str(home / "custom"))
    assert profiles.own_roots() == [home / "custom/profiles"]


def test_flatpak_is_told(geodl, home, source, command):
    profiles.flatpak_root().mkdir(parents=True)
    assert "a QGIS from Flatpak" in geodl("qgis", "install", "--geodl", command).out
    assert names(profiles.flatpak_root()) == []


def test_settings_that_are_a_link(home, source, command):
    profile = Profile(home / "profiles", "default")
    kept = home / "dotfiles" / "QGIS3.ini"
    kept.parent.mkdir()
    kept.write_bytes(b"[app]\nx=1\n")
    (profile.folder / "QGIS").mkdir(parents=True)
    (profile.folder / "QGIS/QGIS3.ini").symlink_to(kept)
    install_plugin(profile, source, command)
    assert (profile.folder / "QGIS/QGIS3.ini").is_symlink()
    assert kept.read_bytes().startswith(b"[app]\nx=1\n")
    assert read_entry(kept.read_bytes(), "PythonPlugins", PLUGIN) == "true"


def test_the_geodl_that_is_started(monkeypatch, tmp_path, command):
    assert find_geodl().name.startswith("geodl")
    assert find_geodl().is_absolute()
    monkeypatch.setattr(sys, "argv", [str(command), "qgis", "install"])
    assert find_geodl() == command
    with pytest.raises(OptionError, match="cannot be run"):
        find_geodl(tmp_path / "nothing")
    monkeypatch.setattr(sys, "argv", ["pytest"])
    monkeypatch.setattr("sysconfig.get_path", lambda *_: str(tmp_path / "nowhere"))
    with pytest.raises(OptionError, match="give its path"):
        find_geodl()


def test_a_plugin_that_is_not_there(monkeypatch, refused):
    monkeypatch.setattr(plugins, "PLUGIN", "no_such_plugin")
    assert "not part of this installation" in refused("qgis", "install")


def test_package(geodl, source, tmp_path):
    ended = geodl("qgis", "package")
    made = tmp_path / f"{PLUGIN}.{__version__}.zip"
    assert ended.code == 0, ended.err
    assert ended.out.startswith(f"{made.name}  (4 files, ")
    with zipfile.ZipFile(made) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [f"{PLUGIN}/{name}" for name in INSTALLED]
        assert {entry.external_attr >> 16 for entry in archive.infolist()} == {0o100644}
    assert "exists already" in geodl("qgis", "package").err
    assert geodl("qgis", "package", "--overwrite").code == 0


def test_the_same_files_give_the_same_zip(source, tmp_path):
    for name in ("a.zip", "b.zip"):
        package_plugin(source, tmp_path / name, __version__, overwrite=False)
        for path in source.iterdir():
            path.chmod(path.stat().st_mode | stat.S_IXUSR)
            os.utime(path, (2e9, 2e9))
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_all_broken_rules_are_told_at_once(refused, source):
    (source / "LICENSE").unlink()
    (source / "run.sh").touch()
    (source / ".hidden").touch()
    text = (source / "metadata.txt").read_text()
    (source / "metadata.txt").write_text(text.replace(f"version={__version__}", "version=9.9"))
    said = refused("qgis", "package")
    assert "breaks 4 of the plugin repository's rules, and nothing was written" in said
    for rule in (
        "LICENSE is missing",
        "run.sh is a program",
        ".hidden is hidden",
        "version is 9.9",
    ):
        assert rule in said


@pytest.mark.parametrize(
    ("entries", "rule"),
    [
        ({"about": None}, "metadata.txt lacks about"),
        ({"email": ""}, "metadata.txt lacks email"),
        ({"email": "nobody"}, "email is no address: nobody"),
        ({"tracker": "here"}, "tracker is no web address: here"),
        (
            {"qgisMinimumVersion": "three"},
            "qgisMinimumVersion must be a number like 3.22, not three",
        ),
        ({"qgisMaximumVersion": "3.10"}, "qgisMaximumVersion is below qgisMinimumVersion"),
        ({"category": "Rasters"}, "category Rasters is none of"),
        ({"hasProcessingProvider": None}, "hasProcessingProvider must be yes"),
        ({"icon": "other.svg"}, "the icon other.svg is missing"),
        ({"tags": "100 % sure"}, "metadata.txt cannot be read"),
    ],
)
def test_rules_of_the_metadata(tmp_path, entries, rule):
    files = plugin_files(write_plugin(tmp_path, **entries))
    (broken,) = broken_rules(files, __version__)
    assert broken.startswith(rule)


@pytest.mark.parametrize(
    ("name", "content", "rule"),
    [
        ("p/../x.py", b"", "p/../x.py leads out of the folder"),
        ("p/.git/config", b"", "p/.git/config is hidden"),
        ("p/__MACOSX/x", b"", "p/__MACOSX/x is a by-product"),
        ("p/x.pyc", b"", "p/x.pyc is a by-product"),
        ("p/lib.so", b"", "p/lib.so is a program or a library"),
        ("p/tool", b"\x7fELF...", "p/tool is a program or a library"),
        ("q/x.py", b"", "one folder must hold all files, but there are p, q"),
    ],
)
def test_rules_of_files(tmp_path, name, content, rule):
    files = {
        f"p/{path.partition('/')[2]}": held
        for path, held in plugin_files(write_plugin(tmp_path)).items()
    }
    assert broken_rules(files, __version__) == []
    (broken,) = broken_rules(files | {name: content}, __version__)
    assert broken.startswith(rule)


def test_rules_of_the_whole(tmp_path, source, monkeypatch):
    assert broken_rules({}, __version__) == [
        "one folder must hold all files, but there are no files"
    ]
    renamed = {f"my-plugin/{n.partition('/')[2]}": c for n, c in plugin_files(source).items()}
    assert broken_rules(renamed, __version__) == [
        "the folder's name 'my-plugin' is no Python identifier"
    ]
    monkeypatch.setattr(packaging, "_MOST_BYTES", 2**20)
    (source / "large.png").write_bytes(os.urandom(2**20))
    with pytest.raises(PluginError, match=r"the zip has 1\.0 MiB, and 1 are allowed"):
        package_plugin(source, tmp_path / "x.zip", __version__, overwrite=False)
    (source / "large.png").unlink()
    (source / "link.txt").symlink_to("/etc/hostname")
    with pytest.raises(PluginError, match="is a link out of the plugin"):
        plugin_files(source)
    assert not (tmp_path / "x.zip").exists()


def test_the_real_plugin_keeps_the_rules(tmp_path):
    package_plugin(plugin_folder(), tmp_path / "x.zip", __version__, overwrite=False)
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        assert f"{PLUGIN}/metadata.txt" in archive.namelist()
        licence = archive.read(f"{PLUGIN}/LICENSE")
    assert licence == (Path(__file__).parents[2] / "LICENSE").read_bytes()
