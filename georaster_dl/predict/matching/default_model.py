"""Default model of a scene, chosen without torch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from georaster_dl.core.errors import BandMismatchError
from georaster_dl.io.scenes.scene import Scene
from georaster_dl.io.stacks.scene import stack_of
from georaster_dl.models.package.card import Card
from georaster_dl.models.package.file import builtin_models, read_card
from georaster_dl.models.runtime.optional_bands import band_places
from georaster_dl.predict.matching.scene_match import SceneMatch, match_scene

__all__ = ["bundled_by_use", "choose_model", "default_model", "misfit", "named_alike"]

_DEFAULT = "s2-landcover"
_DEMONSTRATION = "landcover-sample"  # learnt from scenes that were made up


def default_model() -> Path | None:
    """Find the bundled model that is taken where none is named; None where it is not installed."""
    return builtin_models().get(_DEFAULT)


def choose_model(scene: Scene) -> tuple[Path, SceneMatch]:
    """Choose the bundled model of Sentinel-2 if the scene has its bands by name, and match them.

    Wavelengths alone do not do: they would also find the bands in a hyperspectral cube, of which
    nobody has measured how right the map is.

    Raises
    ------
    BandMismatchError
        When the scene is of Sentinel-2 but does not fit; and when it is another, with the models
        that would fit if they were named. The first sentence is the reason.
    """
    if stack_of(scene) is not None:
        raise BandMismatchError(
            f"{scene.name} is a time series, for which no model is bundled: train one (`geodl timeseries train`) and "
            f"name it with `model=`."
        )
    default = default_model()
    if default is None:
        reason = "is not among the bundled models"
    else:
        card = read_card(default)
        if named_alike(scene, card):
            return default, match_scene(scene, card)
        reason = f"is for bands with Sentinel-2's names (B02, B03, ...), not for {_said(scene)}"
    fitting = list(_fitting(scene, builtin_models()))
    advice = (
        f"By its bands it fits {', '.join(fitting)}: name that with `model=` if you trust it here; else"
        if fitting
        else "No bundled model fits:"
    )
    raise BandMismatchError(
        f"{_DEFAULT}, the model taken where none is named, {reason}. If the file's names are missing "
        f"or wrong, name its bands in file order with `bands=`. {advice} train one (`train()`)."
    )


def named_alike(scene: Scene, card: Card) -> bool:
    """Check that all bands of a scene that a model reads have the model's names."""
    places = band_places(card, scene.bands)
    return bool(places) and all(
        scene.bands[place].name.casefold() == name.casefold() for name, place in places.items()
    )


def _said(scene: Scene, most: int = 4) -> str:
    shown = ", ".join(map(str, scene.bands[:most]))
    return f"{shown}, ..." if len(scene.bands) > most else shown


def _fitting(scene: Scene, bundled: dict[str, Path]) -> Iterator[str]:
    """List the bundled models that match the scene."""
    for name, path in bundled.items():
        if misfit(scene, read_card(path)) is None:
            yield name


def misfit(scene: Scene, card: Card) -> str | None:
    """Find why a model cannot map a scene (bands, units, resolution); None where it can."""
    try:
        match_scene(scene, card)
    except BandMismatchError as error:
        return str(error)
    return None


def bundled_by_use() -> dict[str, Path]:
    """List the bundled models by name: the default one first, that of the demonstration last."""
    ranks = {_DEFAULT: 0, _DEMONSTRATION: 2}
    return dict(sorted(builtin_models().items(), key=lambda item: ranks.get(item[0], 1)))
