"""The report as text: Markdown where it is pasted, legible where it is printed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from georaster_dl.core.wording import counted

__all__ = ["as_text"]

_UNITS = ((2**30, "GiB"), (2**20, "MiB"), (1, "bytes"))


def as_text(report: Mapping[str, Any]) -> str:
    """Lines of a report that ``Report.as_json`` made: findings as a list, facts indented as code."""
    findings = report["findings"]
    lines = [f"geodl doctor: {_summary(findings)}", ""]
    for found in findings:
        lines.append(f"- {found['status']}: {found['topic']}: {found['text']}")
        if found["remedy"]:
            lines.append(f"  To do: {found['remedy']}")
    lines.append("")
    lines += [f"    {label:<12} {text}".rstrip() for label, text in _facts(report)]
    return "\n".join(lines)


def _summary(findings: list[dict[str, str]]) -> str:
    counts = []
    for status in ("problem", "warning"):
        number = sum(found["status"] == status for found in findings)
        counts.append(f"{number or 'no'} {status}{'' if number == 1 else 's'}")
    return ", ".join(counts)


def _facts(report: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Label and value of every line; sections that could not be looked at have none."""
    sections = (_of_python, _of_machine, _of_torch, _of_gdal, _of_packages, _of_disk, _of_qgis)
    for section in sections:
        try:
            yield from list(section(report))
        except (LookupError, TypeError):
            continue  # its finding says why


def _of_python(report: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    geodl, python = report["geodl"], report["python"]
    yield "geodl", f"{geodl['version']}  {geodl['path']}"
    yield "command", geodl["executable"] or "not found"
    yield "Python", f"{python['version']}  {python['executable']}"
    yield "prefix", f"{python['prefix']}  (made of {python['base_prefix']})"


def _of_machine(report: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    machine = report["machine"]
    yield "system", machine["system"]
    yield (
        "processor",
        f"{machine['processor'] or machine['machine']}, {counted(machine['cores'], 'core')}",
    )
    yield (
        "memory",
        f"{size(machine['memory_bytes'])}, {size(machine['memory_free_bytes'])} free for geodl",
    )


def _of_torch(report: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    torch = report["torch"]
    yield "torch", f"{torch['version']} for {torch['built_for']}  {torch['path']}"
    bf16 = "bf16" if torch["cpu_bf16"] else "no bf16"
    yield "CPU", f"{torch['cpu_capability']}, {bf16}, {counted(torch['threads'], 'thread')}"
    for device in torch["devices"]:
        memory = device["memory_bytes"]
        yield "GPU", f"{device['name']}, {'?' if memory is None else size(memory)}"
    if not torch["devices"]:
        yield "GPU", f"none: {torch['no_gpu']}"
    yield "computes on", torch["computes_on"]


def _of_gdal(report: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for label, section, library in (
        ("rasters", "gdal", "rasterio"),
        ("vectors", "vectors", "pyogrio"),
    ):
        facts = report[section]
        if not facts["error"]:
            yield label, f"{library} {facts[library]}, GDAL {facts['version']}"
            yield (
                "drivers",
                ", ".join(
                    f"{name}{'' if there else ' MISSING'}"
                    for name, there in facts["drivers"].items()
                ),
            )
    for library, facts in report["proj"].items():
        if not facts["error"]:
            yield "PROJ", f"{facts['version']} in {library}"


def _of_packages(report: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    packages = report["packages"]
    for label, versions in (("packages", packages["required"]), *packages["extras"].items()):
        yield label, ", ".join(f"{name} {version or '-'}" for name, version in versions.items())


def _of_disk(report: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for model in report["models"]["models"]:
        yield "model", f"{model['name']} {model['version'] or 'BROKEN'}  {model['path']}"
    for cache in report["caches"].values():
        held = (
            f"{counted(cache['files'], 'file')}, {size(cache['bytes'])}"
            if cache["exists"]
            else "not there"
        )
        yield "cache", f"{cache['path']}  {held}"
    free = report["temporary"]["free_bytes"]
    yield "temporary", f"{report['temporary']['path']}  {'' if free is None else size(free)} free"
    for name, variable in report["environment"]["variables"].items():
        yield (
            "variable",
            f"{name}={variable['value']}{'  (ignored)' if variable['ignored'] else ''}",
        )


def _of_qgis(report: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "QGIS", ", ".join(report["qgis"]["qgis_process"]) or "no qgis_process found"
    for profile in report["qgis"]["profiles"]:
        plugin = profile["plugin_version"]
        enabled = "on" if profile["enabled"] else "off"
        yield (
            "profile",
            f"{profile['path']}  "
            + (
                "without the plugin"
                if plugin is None
                else f"plugin {plugin}, {enabled}, starts {profile['geodl']}"
            ),
        )


def size(number: int) -> str:
    """A number of bytes for people."""
    least, unit = next((least, unit) for least, unit in _UNITS if number >= least or least == 1)
    return f"{number / least:.1f} {unit}" if least > 1 else f"{number} {unit}"
