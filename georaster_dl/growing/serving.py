"""Answers to requests of another program that labels by clicks: one JSON object each."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeGuard

import shapely

from georaster_dl.core.errors import GeoRasterError, OptionError
from georaster_dl.core.geography import crs_name
from georaster_dl.core.scene_options import SceneOptions
from georaster_dl.growing.regions import WINDOW, RegionGrower, Seed
from georaster_dl.growing.similarity import TOLERANCE
from georaster_dl.growing.windows import windows_of
from georaster_dl.models.package.file import find_model
from georaster_dl.predict.engine.network_cache import NetworkCache

__all__ = ["RegionServer", "serve"]

_Request = Mapping[str, Any]
_ABSENT = object()


def serve(
    lines: Iterable[bytes | str], write: Callable[[dict[str, Any]], None], device: str
) -> None:
    """Answer each request in turn; a request that fails is answered by an error.

    Parameters
    ----------
    lines : requests, a JSON object each; blank ones are passed over.
    write : takes the answers, each with the ``id`` of its request.
    """
    server = RegionServer(device)
    write({"event": "ready", "tolerance": TOLERANCE, "window": WINDOW})
    for line in filter(
        bytes.strip, (each.encode() if isinstance(each, str) else each for each in lines)
    ):
        number = None
        try:
            request = _parsed(line)
            number = request.get("id")
            answer = server.answer(request)
        except GeoRasterError as error:
            answer = {"event": "error", "message": str(error)}
        except (OSError, MemoryError, RuntimeError) as error:
            answer = {"event": "error", "message": f"{type(error).__name__}: {error}"}
        write(answer | {"id": number})


class RegionServer:
    """Opens a scene, and grows regions in it, as it is asked to.

    Parameters
    ----------
    device : on which networks run.
    """

    def __init__(self, device: str = "auto") -> None:
        self._device = device
        self._networks = NetworkCache()
        self._grower: RegionGrower | None = None

    def answer(self, request: _Request) -> dict[str, Any]:
        """Answer one request.

        Parameters
        ----------
        request : ``{"do": "open", "scene": path, "model": name or path, "bands": [names], "scale": s, "offset": o,
            "nodata": n, "mask": band}``, of which do and scene are needed and without a model spectra are
            compared; or ``{"do": "grow", "clicks": [{"x": x, "y": y, "add": true}], "tolerance": t, "window":
            pixels}``, of which tolerance and window may be left out.

        Returns
        -------
        ``{"event": "opened", ...}`` with name, rows, cols, bands, crs and warnings; ``{"event": "grown", ...}`` with
        geometry (GeoJSON, in the CRS of the scene), pixels, area_m2, cut and seconds.

        Raises
        ------
        GeoRasterError
            Whatever is wrong with the request, the scene or the model.
        """
        asked = request.get("do")
        if asked == "open":
            return self._open(request)
        if asked == "grow":
            return self._grow(request)
        raise OptionError(f'A request to do {asked!r} came; "open" and "grow" are known.')

    def _open(self, request: _Request) -> dict[str, Any]:
        self._grower = None
        bands, model = request.get("bands"), _text(request, "model", None)
        numbers = {name: _number(request, name, None) for name in ("nodata", "scale", "offset")}
        if bands is not None and not (_is_list(bands) and all(isinstance(b, str) for b in bands)):
            raise OptionError(f'"bands" is a list of names, but {bands!r} came.')
        options = SceneOptions(
            bands=None if bands is None else tuple(bands),
            mask=_text(request, "mask", None),
            **numbers,
        )
        windows = windows_of(
            str(_text(request, "scene")),
            options,
            None if not model else find_model(model),
            self._device,
            self._networks,
        )
        self._grower, scene = RegionGrower(windows), windows.scene
        return {
            "event": "opened",
            "name": scene.name,
            "rows": scene.shape[0],
            "cols": scene.shape[1],
            "bands": [band.name for band in scene.bands],
            "crs": crs_name(scene.geobox.crs),
            "warnings": list(windows.warnings),
        }

    def _grow(self, request: _Request) -> dict[str, Any]:
        if self._grower is None:
            raise OptionError('No scene is open; send {"do": "open", "scene": path} before.')
        begun, clicks = time.monotonic(), request.get("clicks")
        if not (_is_list(clicks) and all(isinstance(click, Mapping) for click in clicks)):
            raise OptionError(
                f'"clicks" is a list of objects {{"x": ..., "y": ..., "add": true}}, but {clicks!r} came.'
            )
        seeds = [
            Seed(_number(click, "x"), _number(click, "y"), bool(click.get("add", True)))
            for click in clicks
        ]
        region = self._grower.grow(
            seeds,
            _number(request, "tolerance", TOLERANCE),
            int(_number(request, "window", WINDOW)),
        )
        return {
            "event": "grown",
            "geometry": json.loads(shapely.to_geojson(region.geometry)),
            "pixels": region.pixels,
            "area_m2": region.area_m2,
            "cut": region.cut,
            "seconds": round(time.monotonic() - begun, 4),
        }


def _parsed(line: bytes) -> _Request:
    try:
        request = json.loads(line)
    except ValueError as error:
        raise OptionError(
            f"A request is a JSON object in one line, but this came: {line[:80]!r}."
        ) from error
    if not isinstance(request, Mapping):
        raise OptionError(f"A request is a JSON object in one line, but this came: {line[:80]!r}.")
    return request


def _is_list(value: object) -> TypeGuard[Sequence[Any]]:
    return isinstance(value, list | tuple)


def _text(request: _Request, name: str, default: Any = _ABSENT) -> str | None:
    value = request.get(name, default)
    if value is None and default is None:
        return None
    if not isinstance(value, str):
        raise OptionError(
            f'"{name}" is a text, but {"nothing" if value is _ABSENT else repr(value)} came.'
        )
    return value


def _number(request: _Request, name: str, default: Any = _ABSENT) -> Any:
    value = request.get(name, default)
    if value is None and default is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise OptionError(
            f'"{name}" is a number, but {"nothing" if value is _ABSENT else repr(value)} came.'
        )
    return float(value)
