"""Options and outputs of an unmixing."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from georaster_dl.core.errors import OptionError
from georaster_dl.core.scene_options import SceneOptions
from georaster_dl.unmixing.search import Search

__all__ = ["METHODS", "UnmixMethod", "UnmixOptions", "UnmixOutputs"]

UnmixMethod = Literal["fcls", "autoencoder"]
METHODS: tuple[UnmixMethod, ...] = ("fcls", "autoencoder")


@dataclass(frozen=True)
class UnmixOutputs:
    """Files to make; the map, the table of members and their picture always are.

    Attributes
    ----------
    map : raster (COG) of a fraction for each member.
    error : raster of what the members leave unexplained, as root mean square over the bands.
    quicklook : PNG of the scene beside the map.
    model : model package that repeats the map on other scenes.
    """

    map: Path
    error: Path | None = None
    quicklook: Path | None = None
    model: Path | None = None

    @property
    def members(self) -> Path:
        """Table of the members, named after the map."""
        stem = self.map.stem.removesuffix("_fractions")
        return self.map.with_name(f"{stem}_members.csv")

    @property
    def picture(self) -> Path:
        """Picture of the members, beside their table."""
        return self.members.with_suffix(".png")

    def all(self) -> list[Path]:
        """The files, the map last."""
        asked = (self.error, self.quicklook, self.model)
        return [*(path for path in asked if path is not None), self.members, self.picture, self.map]


@dataclass(frozen=True)
class UnmixOptions:
    """How to unmix.

    Attributes
    ----------
    scene : what the user knows better than the file.
    k : number of members that are searched in the scene; ``auto`` takes the one behind which the error
        hardly falls.
    members : files of a table of spectra that are the members, so that none are searched.
    class_field : column of that table whose classes' means are the members.
    members_scale : by which the table's numbers are multiplied to be in the unit of the scene.
    search : how members are found in the scene.
    method : least squares, or an autoencoder that starts from the members and changes them.
    shade : let black take part in each mixture; fractions are then of what is lit.
    smoothness : weight of the total variation of the autoencoder's fractions.
    bilinear : let the autoencoder's members also reflect light of each other.
    float32 : store fractions as float32, not as whole numbers of 0 to 250.
    """

    scene: SceneOptions = field(default_factory=SceneOptions)
    k: int | Literal["auto"] | None = None
    members: tuple[Path, ...] = ()
    class_field: str | None = None
    members_scale: float | None = None
    search: Search = "nfindr"
    method: UnmixMethod = "fcls"
    shade: bool = False
    smoothness: float = 0.0
    bilinear: bool = False
    float32: bool = False
    seed: int = 0
    overwrite: bool = False

    def check(self) -> None:
        """Refuse options that contradict each other.

        Raises
        ------
        OptionError
            When one has no meaning beside another, or is out of its bounds.
        """
        if self.members and self.k is not None:
            raise OptionError(
                "`k=` members are searched in the scene, but `members=` gives them; leave one of the two out."
            )
        if not self.members:
            for name in ("class_field", "members_scale"):
                if getattr(self, name) is not None:
                    raise OptionError(
                        f"`{name}=` is of a table of spectra; give it with `members=`."
                    )
        if self.members_scale is not None and not self.members_scale > 0:
            raise OptionError(
                f"`members_scale=` is {self.members_scale:g}, but spectra are multiplied with a number above 0; give for "
                f"example 0.0001 for whole numbers of 0 to 10,000."
            )
        if self.k != "auto" and self.k is not None and self.k < 2:
            raise OptionError(
                f"`k=` is {self.k}, but a mixture is of 2 members or more; give such a number, or auto."
            )
        if self.smoothness < 0:
            raise OptionError(
                f"`smoothness=` is {self.smoothness:g}, but a weight is not negative; give for example 0.05."
            )
        if self.method == "fcls" and (self.smoothness or self.bilinear):
            raise OptionError(
                "`smoothness=` and `bilinear=` are of the autoencoder; choose it with `method=autoencoder`."
            )
        if self.method == "autoencoder" and self.shade:
            raise OptionError(
                "`shade=True` is of least squares; leave it out, or choose `method=fcls`."
            )
