"""Options of scenes and labels, importable without GDAL."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from georaster_dl.core.errors import OptionError

__all__ = [
    "FractionOptions",
    "LabelOptions",
    "SceneOptions",
    "StackOptions",
    "TrainingLabelOptions",
]


@dataclass(frozen=True)
class SceneOptions:
    """Overrides for a scene.

    Attributes
    ----------
    bands : for a plain file, the names of its bands in file order; for a product or where fewer
        names than bands are given, the bands to use.
    nodata : number that stands for no measurement, in every band.
    scale, offset : physical value = stored value * scale + offset, in every band.
    wavelengths : centres of the bands of a file that does not state them, in file order, in nm.
    grid : of a scene of several files, the one whose grid it gets; the finest where None.
    mask : quality band that masks pixels, and which of its numbers do; see ``georaster_dl.io.scenes.quality``.
    """

    bands: tuple[str, ...] | None = None
    nodata: float | None = None
    scale: float | None = None
    offset: float | None = None
    mask: str | None = None
    wavelengths: tuple[float, ...] | None = None
    grid: Path | None = None


@dataclass(frozen=True)
class StackOptions:
    """Options of reading a stack of dated scenes.

    Attributes
    ----------
    reading : overrides for every scene. Its ``mask`` may be a file for each date, with ``{date}`` for the date:
        ``masks/*_{date}_SCL.tif``.
    date_pattern : regular expression that finds the date in a path, as its group; None takes the first date in
        the file's name, else in those of its folders.
    indices : names of spectral indices to derive as further bands, such as ``NDVI``.
    """

    reading: SceneOptions = field(default_factory=SceneOptions)
    date_pattern: str | None = None
    indices: tuple[str, ...] = ()


@dataclass(frozen=True)
class LabelOptions:
    """Options of reading labels.

    Attributes
    ----------
    layer : of vector labels; None takes the only one there is, or the only one with the class field.
    class_field : attribute of vector labels that holds the class, or the number of a regression;
        None takes the only one there is, or the one called ``class``.
    width_m : full width in metres to which lines and points are widened; None leaves them one
        pixel wide.
    all_touched : whether a vector feature labels every pixel it touches, not only those whose
        centre it covers.
    priority : class names; where features overlap the first named lies on top and unnamed ones lie
        below. Among equals the later feature lies on top.
    ignore : label numbers that mean unlabelled, besides the declared nodata.
    classes : CSV with the columns value, name, color that names and colours the classes, and numbers
        those of text fields.
    background : class of the pixels without a label: within a label raster's extent, or everywhere
        but under the features of vector labels that are not used (null, ignored, of another part).
    class_name : class of all features of vector labels, whatever their attributes, and of all pixels of a label
        raster (a mask) but those of 0 and nodata, which are without a label; None reads the classes.
    """

    layer: str | None = None
    class_field: str | None = None
    width_m: float | None = None
    all_touched: bool = False
    priority: tuple[str, ...] = ()
    ignore: tuple[float, ...] = ()
    classes: Path | None = None
    background: str | None = None
    class_name: str | None = None

    def __post_init__(self) -> None:
        """Refuse a width that is none, and classes that are named twice."""
        if self.class_name is not None:
            self._check_class()
        if self.width_m is not None and not self.width_m > 0:
            raise OptionError(
                f"`width_m=` must be above 0, but got {self.width_m:g}; leave it out for lines and points of one "
                f"pixel's width."
            )

    def _check_class(self) -> None:
        if not str(self.class_name).strip():
            raise OptionError(
                "`class_name=` is empty; name the class of all labels, such as building."
            )
        if self.class_field is not None:
            raise OptionError(
                f"`class_name={self.class_name!r}` makes all labels one class, so no field is read; leave out "
                f"`class_field={self.class_field!r}`, or the other."
            )
        if self.class_name == self.background:
            raise OptionError(
                f"`class_name=` and `background=` are both {self.class_name!r}; name two classes."
            )


@dataclass(frozen=True)
class FractionOptions(LabelOptions):
    """Options of reading labels that may be fractions of a whole.

    Attributes
    ----------
    fraction_fields : attributes of vector labels, or bands of a raster, that hold the fractions of a pixel;
        of one alone the rest is a fraction of its own. Without any, the classes' shares of a pixel are the
        fractions.
    per_polygon : whether the fractions of a polygon are those of its pixels together, not of each.
    """

    fraction_fields: tuple[str, ...] = ()
    per_polygon: bool = False

    def __post_init__(self) -> None:
        """Refuse fields of fractions beside one class of all labels."""
        super().__post_init__()
        if self.class_name is not None and self.fraction_fields:
            raise OptionError(
                f"`class_name={self.class_name!r}` makes all labels one class, so no fractions are read; leave out "
                f"`fraction_fields=`, or the other."
            )


@dataclass(frozen=True)
class TrainingLabelOptions(FractionOptions):
    """Options of reading labels that a network learns from.

    Attributes
    ----------
    erode : pixels from a border between classes, or to unlabelled ground, within which labels of classes are left out.
    instances : whether each polygon is an object whose boundary is learnt beside the classes.
    """

    erode: int = 0
    instances: bool = False

    def __post_init__(self) -> None:
        """Refuse a negative distance.

        Raises
        ------
        OptionError
            When a number cannot work.
        """
        super().__post_init__()
        if self.erode < 0:
            raise OptionError(
                f"`erode=` must be 0 or more pixels, but got {self.erode}; 1 or 2 are usual."
            )
        if self.erode and self.instances:
            raise OptionError(
                f"`instances=True` learns from the pixels at the boundaries of objects, but `erode={self.erode}` leaves "
                f"these out; leave one of them out."
            )
