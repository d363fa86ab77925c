"""Pages rendered from templates: text of strangers in them is neither markup nor control characters."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined

from georaster_dl.core.text import visible

__all__ = ["render_page"]


def render_page(package: str, template: str, content: Mapping[str, Any]) -> str:
    """HTML of a Jinja template that lies in a package; ``content`` is escaped where it is no ``Markup``."""
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    source = files(package).joinpath(template).read_text("utf-8")
    return environment.from_string(source).render(content)


def _shown(value: Any) -> Any:
    return visible(value, keep="\n") if type(value) is str else value
