"""A model's card as a STAC item with the machine-learning-model extension."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from georaster_dl.core.bands import Band
from georaster_dl.core.errors import ModelPackageError, OptionError
from georaster_dl.core.legend import MapClass, color_hex
from georaster_dl.models.package.card import Card
from georaster_dl.models.package.file import tensor_shapes
from georaster_dl.models.package.series import refuse_points

__all__ = ["stac_item", "validate_item"]

# pystac reads the model extension up to this version; later ones only add to it.
_MLM = "https://stac-extensions.github.io/mlm/v1.4.0/schema.json"
_EO = "https://stac-extensions.github.io/eo/v2.0.0/schema.json"
_FILE = "https://stac-extensions.github.io/file/v2.1.0/schema.json"
_CLASSIFICATION = "https://stac-extensions.github.io/classification/v2.0.0/schema.json"


def stac_item(card: Card, package: Path) -> dict[str, Any]:
    """Describe the model in the file ``package``, whose card is ``card``, as a STAC item."""
    refuse_points(card)
    written = datetime.fromtimestamp(package.stat().st_mtime, UTC)
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": [_MLM, _EO, _FILE, *([_CLASSIFICATION] if card.classes else [])],
        "id": f"{card.name}-{card.version}",
        "geometry": None,
        "properties": {
            "datetime": written.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "title": f"{card.name} {card.version}",
            "description": card.description or card.name,
            **({"license": card.licence} if _is_spdx(card.licence) else {}),
            "bands": [_stac_band(band) for band in card.bands],
            **_model_fields(card, package),
        },
        "links": [],
        "assets": {
            "model": {
                "href": package.resolve().as_uri(),
                "type": "application/vnd.safetensors",
                "title": f"Weights and card of {card.name}",
                "roles": ["mlm:model", "data"],
                "mlm:artifact_type": "safetensors.torch.save_file",
                "file:size": package.stat().st_size,
                "file:checksum": _multihash(package),
                "bands": [{"name": band.name} for band in card.bands],
            }
        },
    }


def _is_spdx(licence: str) -> bool:
    return bool(re.fullmatch(r"[\w.+-]+", licence))


def _multihash(package: Path) -> str:
    """SHA-256 of the file as a multihash in hex: code 0x12, length 0x20, digest."""
    with package.open("rb") as file:
        return "1220" + hashlib.file_digest(file, "sha256").hexdigest()


def _stac_band(band: Band) -> dict[str, Any]:
    fields: dict[str, Any] = {"name": band.name}
    if band.wavelength_nm is not None:
        fields["eo:center_wavelength"] = round(band.wavelength_nm / 1000, 6)
    if band.fwhm_nm is not None:
        fields["eo:full_width_half_max"] = round(band.fwhm_nm / 1000, 6)
    return fields


def _model_fields(card: Card, package: Path) -> dict[str, Any]:
    from importlib.metadata import version as installed

    parameters = sum(
        math.prod(shape)
        for name, shape in tensor_shapes(package).items()
        if not name.endswith(("running_mean", "running_var", "num_batches_tracked"))
    )
    version = re.match(r"\d+\.\d+\.\d+", installed("torch"))
    encoder = f" with encoder {card.architecture.encoder}" if card.architecture.encoder else ""
    return {
        "mlm:name": _mlm_name(card.name),
        "mlm:architecture": f"{card.architecture.name}{encoder}",
        "mlm:tasks": [_task(card)],
        "mlm:framework": "PyTorch",
        **({"mlm:framework_version": version[0]} if version else {}),
        "mlm:total_parameters": parameters,
        "mlm:memory_size": 4 * parameters,
        "mlm:pretrained": True,
        "mlm:accelerator_constrained": False,
        "mlm:input": [_model_input(card)],
        "mlm:output": [_model_output(card)],
        "mlm:hyperparameters": _hyperparameters(card),
    }


def _mlm_name(name: str) -> str:
    """Name as the extension wants it: a letter first, no punctuation last, three characters."""
    name = name.rstrip("._-")
    return name if len(name) > 2 and name[0].isalpha() else f"model-{name}"


def _model_input(card: Card) -> dict[str, Any]:
    return {
        "name": card.quantity,
        "description": f"{card.quantity} as physical values, not as the file's digital numbers",
        "bands": [band.name for band in card.bands],
        "input": {
            "shape": [-1, len(card.bands), -1, -1],
            "dim_order": ["batch", "bands", "height", "width"],
            "data_type": "float32",
        },
        "value_scaling": [
            {"type": "z-score", "mean": band.mean, "stddev": band.std} for band in card.bands
        ],
        "resize_type": None,
    }


def _task(card: Card) -> str:
    # The extension has no task for fractions or an autoencoder; their planes are values, as a regression's are.
    return "semantic-segmentation" if card.classes else "regression"


def _model_output(card: Card) -> dict[str, Any]:
    name, description = _output_meaning(card)
    output: dict[str, Any] = {
        "name": name,
        "description": description,
        "tasks": [_task(card)],
        "result": {
            "shape": [-1, card.outputs, -1, -1],
            "dim_order": ["batch", "class" if card.classes else "channel", "height", "width"],
            "data_type": "float32",
        },
    }
    if card.classes:
        output["classification:classes"] = [_stac_class(entry) for entry in card.classes]
    return output


def _output_meaning(card: Card) -> tuple[str, str]:
    """Name of the output, and how to read it."""
    if card.task == "fractions":
        names = ", ".join(name for name, _mean, _std in card.value_planes)
        return "fractions", f"Fractions of a pixel, 0 to 1 and together 1: {names}"
    if card.targets:
        lines = [
            f"{name} = output * {std:.9g} + {mean:.9g}" for name, mean, std in card.value_planes
        ]
        return card.targets[0].name if len(lines) == 1 else "values", "; ".join(lines)
    if card.task == "autoencoder":
        return "bands", (
            "The input's bands again, in its order and scaled as it is: value = output * stddev + mean"
        )
    return "logits", "Logits; divide by the temperature and take the softmax for probabilities"


def _stac_class(entry: MapClass) -> dict[str, Any]:
    return {
        "value": entry.value,
        # The extension has identifiers here and free text in the description.
        "name": re.sub(r"[^0-9A-Za-z_-]+", "_", entry.name).strip("_") or f"class_{entry.value}",
        "description": entry.name,
        "color_hint": color_hex(entry.color)[1:].upper(),
    }


def _hyperparameters(card: Card) -> dict[str, Any]:
    return {
        "stride_total": card.stride,
        "halo": card.halo.default,
        "halo_exact": card.halo.exact,
        "exact_tiling": card.halo.exact is not None and card.halo.default >= card.halo.exact,
        "tile_size": _tile_size(card),
        "blend": card.halo.blend,
        "quantity": card.quantity,
        "resolution_m": list(card.resolution_m) if card.resolution_m else None,
        **_output_parameters(card),
        "limitations": card.limitations,
        **{f"metric_{_key(name)}": value for name, value in card.metrics.items()},
        **{f"training_{_key(name)}": value for name, value in card.training.items()},
        **{f"configuration_{_key(name)}": value for name, value in card.configuration.items()},
    }


def _output_parameters(card: Card) -> dict[str, Any]:
    if card.classes:
        calibration = card.calibration
        lists = {"gain": list(calibration.gain), "offset": list(calibration.offset)}
        return {
            "nodata": card.legend.nodata,
            "temperature": calibration.temperature,
            **(lists if calibration.gain else {}),
        }
    return {"targets": [asdict(target) for target in card.targets]} if card.targets else {}


def _key(name: str) -> str:
    return re.sub(r"[^0-9A-Za-z_.-]+", "_", name)


def _tile_size(card: Card) -> int:
    """Tile in pixels, halo included, of which at most a third or so is halo: 512 or more."""
    wanted = max(512, 8 * card.halo.default)
    return -(-wanted // card.stride) * card.stride


def validate_item(item: Mapping[str, Any]) -> None:
    """Check an item against the STAC schema that comes with pystac, without the internet.

    Raises
    ------
    ModelPackageError
        When the item breaks the schema.
    OptionError
        When the package that checks it is not installed.
    """
    import pystac
    from pystac.errors import STACError
    from pystac.validation import JsonSchemaSTACValidator

    try:
        pystac.Item.from_dict(dict(item))
        JsonSchemaSTACValidator().validate_core(
            dict(item), pystac.STACObjectType.ITEM, str(item["stac_version"])
        )
    except STACError as error:
        raise ModelPackageError(
            f"The STAC item of {item['id']} breaks the STAC schema ({error}); please report this."
        ) from error
    except ImportError as error:
        raise OptionError(
            f"Checking a STAC item needs jsonschema ({error}); run pip install 'pystac[validation]'."
        ) from error
