"""HTML pages from templates that extend ``page.html``; foreign text in them is no markup."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from jinja2 import DictLoader, Environment, StrictUndefined

from georaster_dl import __version__
from georaster_dl.core.legend import color_hex
from georaster_dl.core.text import visible

__all__ = ["render_page"]

_PAGE = "page.html"


def render_page(
    package: str,
    template: str,
    content: Mapping[str, Any],
    *,
    parents: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """Render a page from a Jinja template of a package.

    Parameters
    ----------
    content : escaped where it is no ``Markup``. Every page needs ``title``; ``cards``, each a label, a
        figure and a line below; and ``alarms``, the labels of the cards shown in red. The filter
        ``css`` writes a colour.
    parents : package of each further template that this one extends or imports from, by its name.
    """
    owners = {_PAGE: "georaster_dl.render", template: package, **parents}
    templates = {
        name: files(owner).joinpath(name).read_text("utf-8") for name, owner in owners.items()
    }
    environment = Environment(
        loader=DictLoader(templates),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalized,
    )
    environment.filters["css"] = color_hex
    return environment.get_template(template).render(content, version=__version__)


def _finalized(value: Any) -> Any:
    return visible(value, keep="\n") if type(value) is str else value
