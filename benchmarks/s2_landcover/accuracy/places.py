"""Maps of places that a network never saw, beside today's model and its rivals."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from recipe import restore
from sets import CLASSES
from world import Chip, chips

from accuracy.maps import (
    LEVELS,
    MADE,
    Mapper,
    Seeds,
    at_levels,
    fold_weights,
    mapper_of,
    out_of_fold,
    restore_package,
)
from accuracy.rivals import (
    map_by_forest,
    one_class_a_place,
    spectral_forest,
    teachers_counted,
)
from accuracy.tally import (
    CLOUD,
    FEWEST,
    SHADOW,
    SNOW,
    SURFACES,
    Counted,
    Counts,
    Figures,
    N,
    alike_places,
    by_place,
    merged,
    spread,
    table,
)

NEW, BEFORE, FOREST = "s2-landcover", "the model before", "random forest, spectrum"
_OVERALL = (
    "pixels (places)",
    "agreement, places alike",
    "balanced, places alike",
    "agreement, pixels alike",
    "balanced, pixels alike",
    "macro F1",
    "clear called cloud or shadow",
    "snow found",
    "cloud found",
    "shadow found",
    "worst place",
)
_SOUTH = ("Oceania", "South America")  # no dated chip lies where a continent straddles the equator
_QUARTERS = ("winter", "spring", "summer", "autumn")


def networks_counted(data: Path, runs: Path) -> Seeds:
    """What each seed's networks say of the chips whose places they never saw."""
    seeds = fold_weights(runs)
    leveled = [each for each in at_levels(chips(data)) if each[1].fold in seeds[0]]
    return [
        out_of_fold(leveled, lambda fold, paths=paths: mapper_of(restore(paths[fold])))
        for paths in seeds
    ]


def before_counted(data: Path, before: Path) -> Seeds:
    """What the model before says of all chips; it learnt from none of them."""
    mapper = mapper_of(restore_package(before))
    return [out_of_fold(at_levels(chips(data)), lambda _: mapper)]


def forests_counted(data: Path, n_seeds: int) -> Seeds:
    """What forests say of the chips, from sure labels of the other folds."""
    leveled = at_levels(chips(data))

    def mapper_of_fold(fold: int, seed: int) -> Mapper:
        forest = spectral_forest([each for each in leveled if each[1].fold != fold], seed)
        return lambda chip: map_by_forest(forest, chip.piece)

    return [out_of_fold(leveled, partial(mapper_of_fold, seed=seed)) for seed in range(n_seeds)]


def card_figures(seeds: Seeds) -> dict[str, dict[str, dict[str, float]]]:
    """Figures for the card, by level, continent and class: mean over the seeds of places held out.

    Places count alike in those by level and continent, pixels in those by class.

    Returns
    -------
    {"level" or "continent": {name: {"pixels", "places", "agreement", "balanced"}}, "class": {name:
    {"pixels", "F1"}}}. Continents and classes are of the chips at their own level.
    """
    native = [[each for each in seed if each.level != MADE] for seed in seeds]
    return {
        "level": _figures(seeds, lambda each: each.level),
        "continent": _figures(native, lambda each: each.chip.continent),
        "class": _class_figures([sum(each.counts for each in seed) for seed in native]),
    }


def _class_figures(seeds: Sequence[Counts]) -> dict[str, dict[str, float]]:
    """Pixels and F1 of every class that has labels."""
    made = {}
    for c, (name, _) in enumerate(CLASSES):
        pixels = int(seeds[0][c].sum())
        if pixels:
            f1 = [2 * s[c, c] / (s[c].sum() + s[:, c].sum()) for s in seeds]
            made[name] = {"pixels": pixels, "F1": round(float(np.mean(f1)), 3)}
    return made


def _figures(seeds: Seeds, key: Callable[[Counted], str]) -> dict[str, dict[str, float]]:
    made = {}
    for name in sorted({key(each) for each in seeds[0]}):
        some = [[each for each in seed if key(each) == name] for seed in seeds]
        pixels = int(Figures.of(_sum(some[0])).pixels)
        if pixels:
            figures = [Figures.of(alike_places(seed), fewest=0) for seed in some]
            made[name] = {
                "pixels": pixels,
                "places": len(by_place(some[0])),
                "agreement": round(float(np.mean([f.agreement for f in figures])), 3),
                "balanced": round(float(np.mean([f.balanced for f in figures])), 3),
            }
    return made


def tables(data: Path, runs: Path, before: Path, *, forests: bool) -> Seeds:
    """Print the tables of places held out; return what the networks say."""
    new = networks_counted(data, runs)
    folds = {each.chip.fold for each in new[0]}
    print(f"Places held out in folds {sorted(folds)}, {len(new)} seeds.\n")
    methods = {NEW: new, BEFORE: before_counted(data, before)}
    if forests:
        methods[FOREST] = forests_counted(data, len(new))
    methods["one class a place, the best"] = [one_class_a_place(new[0])]
    for sky, name in ((False, "Dynamic World *"), (True, "Dynamic World, ukis-csmask over it *")):
        methods[name] = [teachers_counted(data, chips(data), sky=sky)]
    methods = {
        name: [[each for each in seed if each.chip.fold in folds] for seed in seeds]
        for name, seeds in methods.items()
    }
    for level in (*LEVELS, None):
        _overall(methods, level)
    print("\\* The labels come from these: an upper bound, no fair comparison.\n")
    shown = {name: seeds for name, seeds in methods.items() if name in (NEW, BEFORE, FOREST)}
    _by("continent", shown, lambda each: each.chip.continent)
    _by("season", shown, lambda each: _season(each.chip))
    _by_class(shown)
    _confusion(new)
    _places(methods)
    return new


def _overall(methods: dict[str, Seeds], level: str | None) -> None:
    """Every method at one level, or at the levels that the chips have."""
    rows = []
    for name, seeds in methods.items():
        some = [_at(seed, level) for seed in seeds]
        if not some[0]:
            continue
        pooled = [Figures.of(_sum(seed)) for seed in some]
        alike = [Figures.of(alike_places(seed), fewest=0) for seed in some]
        worst = [min(Figures.of(c).agreement for c in by_place(seed).values()) for seed in some]
        rows.append(
            [
                name,
                f"{pooled[0].pixels:,.0f} ({len(by_place(some[0]))})",
                *(
                    spread([getattr(f, key) for f in figures])
                    for figures in (alike, pooled)
                    for key in ("agreement", "balanced")
                ),
                spread([f.macro_f1 for f in pooled]),
                spread([f.false_sky for f in alike]),
                *(spread([f.recall.get(c, np.nan) for f in pooled]) for c in (SNOW, CLOUD, SHADOW)),
                spread(worst),
            ]
        )
    print(f"### {level or 'L1C and L2A'}\n")
    table(("method", *_OVERALL), rows)


def _at(counted: Sequence[Counted], level: str | None) -> list[Counted]:
    """Those at a level; without one, those at the level that their chip has."""
    return [e for e in counted if e.level == level or (level is None and e.level == e.chip.level)]


def _sum(counted: Sequence[Counted]) -> np.ndarray:
    return merged(counted, lambda _: 0)[0]


def _by(title: str, methods: dict[str, Seeds], key: Callable[[Counted], str]) -> None:
    """Agreement, balanced agreement and false sky of some methods by a key, level by level."""
    print(f"### By {title}\n")
    rows = []
    for level in LEVELS:
        sums = {
            name: [merged(_at(seed, level), key) for seed in seeds]
            for name, seeds in methods.items()
        }
        for group in sorted(sums[NEW][0]):
            figures = {name: [Figures.of(s[group]) for s in each] for name, each in sums.items()}
            if figures[NEW][0].pixels:
                of = [e for e in _at(methods[NEW][0], level) if key(e) == group]
                rows.append(
                    [group, level, f"{figures[NEW][0].pixels:,.0f} ({len(by_place(of))})"]
                    + [_cell(each) for each in figures.values()]
                )
    print("Agreement / balanced / macro F1 / clear called cloud or shadow.\n")
    table((title, "level", "pixels (places)", *methods), rows)


def _season(chip: Chip) -> str:
    dated = re.fullmatch(r"\d{4}-(\d{2})(-\d{2})?", chip.date)
    if dated is None:
        return "not stated"
    half_a_year = 2 if chip.continent in _SOUTH else 0
    return _QUARTERS[(int(dated[1]) % 12 // 3 + half_a_year) % 4]


def _by_class(methods: dict[str, Seeds]) -> None:
    """Share of every class that is found, each level by itself."""
    print("### By class\n\nShare found (recall).\n")
    rows = []
    for level in LEVELS:
        sums = {name: [_sum(_at(seed, level)) for seed in seeds] for name, seeds in methods.items()}
        figures = {name: [Figures.of(s) for s in each] for name, each in sums.items()}
        rows += [
            [CLASSES[c][0], level, f"{sums[NEW][0][c].sum():,.0f}"]
            + [spread([f.recall[c] for f in each]) for each in figures.values()]
            for c in (*SURFACES, CLOUD, SHADOW)
            if c in figures[NEW][0].recall
        ]
    table(("class", "level", "pixels", *methods), rows)


def _confusion(seeds: Seeds) -> None:
    """What each class is mapped as, chips at their own level and seeds together."""
    print(f"### Confusion of {NEW}\n\nL1C and L2A; each row sums to 1.\n")
    counts = np.sum([_sum(_at(seed, None)) for seed in seeds], axis=0)
    rows = [
        [CLASSES[c][0], *(f"{share:.2f}" for share in counts[c] / counts[c].sum())]
        for c in range(N)
        if counts[c].sum()
    ]
    table(("true class", *(name for name, _ in CLASSES)), rows)


def _places(methods: dict[str, Seeds]) -> None:
    """Every place at the levels that its chips have, the worst first."""
    print(
        "### By place\n\nAgreement / balanced over the classes there / macro F1 / clear called cloud "
        "or shadow; of the others agreement.\n"
    )
    sums = {n: [by_place(_at(seed, None)) for seed in seeds] for n, seeds in methods.items()}
    made = [by_place(_at(seed, MADE)) for seed in methods[NEW]]
    rows = []
    for place, counts in sums[NEW][0].items():
        of = [e.chip for e in methods[NEW][0] if e.chip.place == place]
        figures = [Figures.of(seed[place]) for seed in sums[NEW]]
        cells = [
            place,
            of[0].continent,
            ", ".join(sorted({chip.level for chip in of})),
            f"{figures[0].pixels:,.0f}",
            ", ".join(CLASSES[c][0] for c in SURFACES if counts[c].sum() >= FEWEST),
            _cell(figures),
            _agreement(made, place),
            *(_agreement(seeds, place) for name, seeds in sums.items() if name != NEW),
        ]
        rows.append((float(np.mean([f.agreement for f in figures])), cells))
    head = ("place", "continent", "level", "pixels", "classes", NEW, f"{NEW}, {MADE}")
    table((*head, *list(methods)[1:]), [cells for _, cells in sorted(rows)])


def _agreement(seeds: Sequence[dict[str, Counts]], place: str) -> str:
    return spread([Figures.of(s[place]).agreement for s in seeds if place in s], 2)


def _cell(figures: Sequence[Figures]) -> str:
    keys = ("agreement", "balanced", "macro_f1", "false_sky")
    return " / ".join(spread([getattr(f, key) for f in figures], 2) for key in keys)
