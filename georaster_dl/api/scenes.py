"""Scenes of files and of arrays, opened alike."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, Union, Unpack

from georaster_dl.api.keywords import SceneKeywords, options_of
from georaster_dl.core.errors import SceneError
from georaster_dl.core.scene_options import SceneOptions
from georaster_dl.io.arrays import InMemory, is_array, scene_in_memory
from georaster_dl.io.scenes.reader import Sources
from georaster_dl.io.scenes.reader import open_scene as open_described
from georaster_dl.io.scenes.scene import Scene
from georaster_dl.io.stacks.scene import StackInput
from georaster_dl.io.stacks.stack import TimeStack

if TYPE_CHECKING:
    import xarray  # noqa: F401 - in the alias below

__all__ = ["SceneSource", "as_scene", "check_kind", "open_scene"]

SceneSource: TypeAlias = Union[Sources, InMemory, TimeStack]  # noqa: UP007 - one of them is text
"""Path or address, several of one scene, an open scene or stack, or pixels in memory."""


def open_scene(source: SceneSource, **options: Unpack[SceneKeywords]) -> Scene:
    """Describe a scene without reading its pixels.

    Parameters
    ----------
    source : path or address of a raster, a ``.SAFE`` product or a STAC item, a list of files of one scene,
        an array (bands, rows, cols), a Raster, or a DataArray or Dataset of xarray, which stays lazy.
    **options : bands, nodata, scale, offset and mask, as ``SceneKeywords`` describes them.

    Raises
    ------
    SceneError
        When a source is missing, is no raster, or the files do not fit together.
    OptionError
        When the options do not fit the scene's bands.

    Examples
    --------
    >>> scene = open_scene("sample_tiles/s2_west.tif")
    >>> scene.shape
    (512, 512)
    >>> scene.read().array.dtype
    dtype('float32')
    """
    return as_scene(source, options_of(SceneOptions, options))


def as_scene(source: SceneSource, options: SceneOptions) -> Scene:
    """Open a source of any kind with options."""
    if isinstance(source, TimeStack):
        return open_described(StackInput(source))
    if is_array(source):
        source = scene_in_memory(source)  # type: ignore[arg-type]
    check_kind(source)
    return open_described(source, options)  # type: ignore[arg-type]


def check_kind(source: object) -> None:
    """Refuse objects of other types, whose text would be taken for a path."""
    many = source if isinstance(source, list | tuple) else [source]
    wrong = [type(one) for one in many if not isinstance(one, str | Path | Scene)]
    if len(many) > 1 and any(isinstance(one, Scene) for one in many):
        wrong.append(type(source))
    if not wrong:
        return
    found = wrong[0]
    raise SceneError(
        f"A {found.__module__}.{found.__name__} is no scene; give a path, a list of the paths of one scene, an array of NumPy "
        f"(bands, rows, cols), a Raster, or a DataArray of xarray (an array of Dask or a tensor as one)."
    )
