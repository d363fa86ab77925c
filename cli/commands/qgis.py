"""``geodl qgis``: install the QGIS plugin, or pack it for the plugin repository."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from georaster_dl import __version__
from georaster_dl.core.wording import counted

from ..options.shared import debug_option, output_option, overwrite_option

if TYPE_CHECKING:
    from georaster_dl.qgis.install import Installed

__all__ = ["qgis"]


@click.group()
def qgis() -> None:
    """Install the QGIS plugin, or pack it for the plugin repository."""


@qgis.command("install")
@click.option(
    "--profile",
    default="default",
    show_default=True,
    metavar="NAME",
    help="Profile of QGIS to install into.",
)
@click.option(
    "--profiles-path",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Folder that holds the folder profiles, as in qgis --profiles-path; QGIS's own by default.",
)
@click.option(
    "--geodl",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Command geodl that the plugin starts; this one by default.",
)
@debug_option
def install_command(profile: str, profiles_path: Path | None, geodl: Path | None) -> None:
    """Install the plugin into a profile of QGIS, switch it on, and set the path of this geodl.

    An older copy of it is replaced. Where QGIS 3 and QGIS 4 both have the profile, both get it.
    """
    from georaster_dl.qgis.command import find_geodl
    from georaster_dl.qgis.install import install_plugin
    from georaster_dl.qgis.plugin import plugin_folder
    from georaster_dl.qgis.profile import choose_profiles, flatpak_root

    source, command = plugin_folder(), find_geodl(geodl)
    for chosen in choose_profiles(profile, profiles_path):
        _print_installed(install_plugin(chosen, source, command))
    click.echo(f"the plugin starts {command}")
    click.echo("next: restart QGIS, then open Processing > Toolbox > GeoRaster DL")
    if profiles_path is None and flatpak_root().is_dir():
        click.echo(
            f"note: a QGIS from Flatpak has its profiles in {flatpak_root()}; it got nothing, because its "
            f"sandbox starts no programs of this system"
        )


def _print_installed(done: Installed) -> None:
    if done.created:
        click.echo(f"QGIS had no profile here yet; made {done.profile.folder}")
    if done.linked:
        click.echo(f"{done.profile.plugin} is a link to the plugin's own folder, and stays one")
    else:
        replaced = "" if done.replaced is None else f", in place of {done.replaced}"
        click.echo(f"installed {done.profile.plugin}  ({__version__}{replaced})")
    for path in done.settings:
        click.echo(f"switched on in {path}")


@qgis.command("package")
@output_option(f"Zip to make; georaster_dl_qgis.{__version__}.zip by default.")
@overwrite_option
@debug_option
def package_command(output: Path | None, overwrite: bool) -> None:
    """Pack the plugin as a zip for QGIS's plugin repository, checked against its rules."""
    from georaster_dl.qgis.package import package_plugin
    from georaster_dl.qgis.plugin import PLUGIN, plugin_folder

    target = output or Path(f"{PLUGIN}.{__version__}.zip")
    names = package_plugin(plugin_folder(), target, __version__, overwrite=overwrite)
    click.echo(f"{target}  ({counted(len(names), 'file')}, {target.stat().st_size / 1024:.0f} KiB)")
    click.echo(
        "next: in QGIS, Plugins > Manage and Install Plugins > Install from ZIP; or upload it"
    )
