"""All that is looked at, as one report for people and one for programs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from georaster_dl.core.errors import OptionError
from georaster_dl.doctor.answers import (
    judge_gdal,
    judge_models,
    judge_proj,
    judge_torch,
    judge_vectors,
)
from georaster_dl.doctor.ask import Answer, ask
from georaster_dl.doctor.environment import look_at_environment
from georaster_dl.doctor.finding import Finding, Part, Status, hide_home, worst
from georaster_dl.doctor.machine import (
    look_at_caches,
    look_at_geodl,
    look_at_machine,
    look_at_python,
    look_at_temporary,
)
from georaster_dl.doctor.packages import install_command, look_at_packages
from georaster_dl.qgis.command import find_geodl

__all__ = ["Report", "diagnose"]

FORMAT = 1


@dataclass(frozen=True)
class Report:
    """Report of all findings.

    Attributes
    ----------
    facts : by section; see ``as_json``.
    findings : the gravest first.
    """

    facts: dict[str, Any]
    findings: tuple[Finding, ...]

    @property
    def status(self) -> Status:
        """The gravest status of all findings."""
        return worst(self.findings)

    def as_json(self) -> dict[str, Any]:
        """Convert for programs. Keys stay, and new keys may come; the user's home is ``~`` throughout.

        ========================  ==================================================================
        key                       value
        ========================  ==================================================================
        ``format``                1
        ``status``                ``ok``, ``warning`` or ``problem``: the gravest finding
        ``findings``              list of ``{topic, status, text, remedy}``, the gravest first
        ``geodl``                 ``version``, ``path`` (package), ``executable`` (command, or null)
        ``python``                ``version``, ``executable``, ``prefix``, ``base_prefix``
        ``machine``               ``system``, ``machine``, ``processor``, ``cores``, ``memory_bytes``,
                                  ``memory_free_bytes``
        ``torch``                 ``error`` (or null), ``version``, ``path``, ``built_for``, ``cpu_capability``,
                                  ``cpu_bf16``, ``threads``, ``no_gpu`` (why, or null),
                                  ``gpu_driver``, ``computes_on``, ``devices``: list of ``{name,
                                  capability, memory_bytes, memory_free_bytes, error}``
        ``gdal``                  ``error``, ``rasterio``, ``path``, ``version``, ``brings_data``, ``drivers``:
                                  ``{name: bool}``
        ``vectors``               ``error``, ``pyogrio``, ``version``, ``drivers``
        ``proj``                  ``rasterio`` and ``pyproj``: ``{error, version, east, north}``
        ``packages``              ``required``: ``{name: version or null}``; ``extras``: ``{extra:
                                  {name: version or null}}``
        ``models``                ``error``; ``models``: list of ``{name, path, version, error}``
        ``caches``                ``torch_hub``, ``huggingface``: ``{path, exists, files, bytes,
                                  all_counted}``
        ``environment``           ``variables``: ``{name: {value, status, ignored}}``
        ``temporary``             ``path``, ``free_bytes``
        ``qgis``                  ``qgis_process``: list of paths; ``profiles``: list of ``{name, path,
                                  plugin_version, enabled, geodl, flatpak}``
        ========================  ==================================================================

        Where ``error`` says something, the other keys of that section may be absent.
        """
        findings = [asdict(finding) for finding in self.findings]
        whole = {"format": FORMAT, "status": self.status, "findings": findings, **self.facts}
        hidden: dict[str, Any] = hide_home(whole)
        return hidden


def diagnose(dropped: Mapping[str, str] | None = None) -> Report:
    """Look at everything; nothing that is broken makes this fail.

    Parameters
    ----------
    dropped : variables that were taken out of the environment before, with their values.
    """
    looks = _looks(ask(), _executable(), dropped or {})
    parts = {section: _guarded(section, look) for section, look in looks.items()}
    facts = {section: part.facts for section, part in parts.items()}
    findings = [finding for part in parts.values() for finding in part.findings]
    gravest = ("problem", "warning", "ok")
    return Report(facts, tuple(sorted(findings, key=lambda found: gravest.index(found.status))))


def _looks(
    answers: Mapping[str, Answer], executable: Path | None, dropped: Mapping[str, str]
) -> dict[str, Callable[[], Part]]:
    """How each section is looked at, by its key."""
    return {
        "geodl": partial(look_at_geodl, executable),
        "python": look_at_python,
        "machine": look_at_machine,
        "torch": partial(judge_torch, answers["torch"]),
        "gdal": partial(judge_gdal, answers["gdal"]),
        "vectors": partial(judge_vectors, answers["vectors"]),
        "proj": partial(judge_proj, answers["proj"], answers["pyproj"]),
        "packages": look_at_packages,
        "models": partial(judge_models, answers["models"]),
        "caches": look_at_caches,
        "environment": partial(look_at_environment, dropped),
        "temporary": look_at_temporary,
        "qgis": partial(_look_at_qgis, executable),
    }


def _look_at_qgis(executable: Path | None) -> Part:
    from georaster_dl.doctor.qgis import look_at_qgis  # needs psutil, which may be what is missing

    return look_at_qgis(executable)


def _guarded(section: str, look: Callable[[], Part]) -> Part:
    remedy = "Report it with this page."
    try:
        return look()
    except ModuleNotFoundError as error:
        told = f"{type(error).__name__}: {error}"
        remedy = install_command(error.name) if error.name else remedy
    except Exception as error:  # noqa: BLE001  a report with a gap is worth more than a traceback
        told = f"{type(error).__name__}: {error}"
    part = Part({"error": told})
    part.add(section, "problem", f"could not be looked at: {told}", remedy)
    return part


def _executable() -> Path | None:
    try:
        return find_geodl()
    except OptionError:
        return None
