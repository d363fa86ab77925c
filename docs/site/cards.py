"""Pages of the bundled models, made of their cards."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from geodl_cli.commands.models import card_facts

from georaster_dl.core.legend import color_hex
from georaster_dl.models.package.card import Card
from georaster_dl.models.package.file import builtin_models, read_card

_DOCS = Path(__file__).parents[1]


def pages() -> dict[str, str]:
    """Markdown of each page by the name of its model."""
    return {name: _page(read_card(path)) for name, path in builtin_models().items()}


def _page(card: Card) -> str:
    facts = card_facts(card)
    measured = [text.split(maxsplit=1)[::-1] for label, text in facts if label == "measured"]
    tables = {
        "Classes": _table(
            ("value", "", "class"), [(c.value, _swatch(c.color), c.name) for c in card.classes]
        ),
        "Measured": _table(("", ""), measured),
        "Card": _table(("", ""), [fact for fact in facts if fact[0] != "measured"]),
        "Trained with": _table(("setting", "value"), card.configuration.items()),
        "Limitations": card.limitations,
    }
    guide = (
        f"[Method and accuracy](../{card.name}.md)\n"
        if (_DOCS / f"{card.name}.md").exists()
        else ""
    )
    sections = "".join(f"\n## {title}\n\n{text}\n" for title, text in tables.items() if text)
    return f"# {card.name} {card.version}\n\n{card.description}\n\n    geodl models show {card.name}\n\n{guide}{sections}"


def _swatch(color: tuple[int, ...]) -> str:
    return f'<span class="swatch" style="background:{color_hex(color)}"></span>'


def _table(head: tuple[str, ...], rows: Iterable[Iterable[object]]) -> str:
    lines = ["| " + " | ".join(str(cell) for cell in row) + " |\n" for row in rows]
    if not lines:
        return ""
    return f"| {' | '.join(head)} |\n{'|---' * len(head)}|\n{''.join(lines)}"
