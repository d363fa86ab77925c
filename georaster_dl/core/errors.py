"""Exceptions of georaster_dl.

Every class derives from :class:`GeoRasterError` and from the built-in exception that fits, so
both ``except GeoRasterError`` and, for example, ``except OSError`` work::

    GeoRasterError
    ├── SceneError           (OSError)      a scene cannot be opened or read
    ├── BandMismatchError    (ValueError)   the scene's bands are not the model's
    ├── ModelPackageError    (ValueError)   a model file is damaged, foreign or hostile
    ├── UnknownModelError    (LookupError)  no model or architecture of that name
    ├── OutputError          (OSError)      an output cannot be written
    ├── OptionError          (ValueError)   an option has a value that cannot work
    ├── DeviceError          (RuntimeError) the asked-for device is absent or out of memory
    └── PluginError          (ValueError)   the QGIS plugin is absent, or breaks a rule

A message says what came, what was expected and what to do, in one line.

Settings are named in messages, and in warnings of a run, as keyword arguments in backquotes: Python
code, which every front end shows in the user's terms. The command line prints options
(``geodl_cli.terminal.hints``), the QGIS plugin the titles of its fields::

    in the message                              on the command line
    `bands=`                                    --bands
    `class_field=`                              --class-field
    `overwrite=True`                            --overwrite
    `scale=0.0001, offset=0`                    --scale 0.0001 --offset 0
    f"`mask='{mask}'`"                          --mask SCL
    `start.weights='random'`                    --init random
    `train(task='autoencoder')`                 geodl train --task autoencoder

The name is that of the argument, field or (with its section) training setting, and the option is
spelt the same; the exceptions are listed in ``geodl_cli.terminal.hints``. No message names an option of the
command line itself. Where the name of a setting helps nobody, plain words are better.
"""

from __future__ import annotations


class GeoRasterError(Exception):
    """Base of every error that georaster_dl raises on purpose."""


class SceneError(GeoRasterError, OSError):
    """A scene cannot be opened or read."""


class BandMismatchError(GeoRasterError, ValueError):
    """The scene does not carry the bands, units or resolution that the model needs."""


class ModelPackageError(GeoRasterError, ValueError):
    """A model file is damaged, is not a model package, or holds values outside sane limits."""


class UnknownModelError(GeoRasterError, LookupError):
    """No model or architecture of that name is known."""


class OutputError(GeoRasterError, OSError):
    """An output cannot be written."""


class OptionError(GeoRasterError, ValueError):
    """An option has a value that cannot work."""


class DeviceError(GeoRasterError, RuntimeError):
    """The asked-for device is absent or has too little memory."""


class PluginError(GeoRasterError, ValueError):
    """The QGIS plugin is not there, or its folder breaks a rule of QGIS or of its repository."""


class GeoRasterWarning(UserWarning):
    """Something that may make a result wrong, as a Python warning where no function takes the events."""
