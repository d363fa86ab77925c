import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Progressed, Warned, no_report
from georaster_dl.spectra.simulate.judging import judge as judging
from georaster_dl.spectra.simulate.judging.judge import judge
from georaster_dl.spectra.simulate.judging.likeness import compare_spectra, mmd
from georaster_dl.spectra.simulate.judging.page import render_simulation
from georaster_dl.spectra.simulate.judging.use import Gain
from georaster_dl.spectra.simulate.judging.words import verdict
from georaster_dl.spectra.simulate.run import Request, simulate_from
from georaster_dl.spectra.table.samples import SpectraTable

BANDS = np.linspace(1000, 2000, 24)


def table(per_class: int = 12, seed: int = 0) -> SpectraTable:
    """Two classes whose spectra overlap somewhat, with a value that they show and the number of the row."""
    random = np.random.default_rng(seed)
    numbers = np.repeat([0, 1], per_class)
    fat = random.random(len(numbers))
    curve = np.sin(BANDS / 150)
    spectra = 0.4 + 0.1 * numbers[:, None] * np.cos(BANDS / 90) + 0.2 * fat[:, None] * curve
    spectra += 0.02 * random.normal(size=spectra.shape).cumsum(axis=1) / 5
    columns = pd.DataFrame(
        {"kind": np.array(["grass", "soil"])[numbers], "fat": fat, "row": np.arange(len(numbers))}
    )
    return SpectraTable("made", BANDS, spectra, columns)


def judged(real: SpectraTable, request: Request, **given):
    return judge(request, simulate_from([real], request, no_report), [real], **given)


WITHIN = Request("mixtures", 60, 0, {"class_field": "kind", "within_classes": True})


def test_every_real_spectrum_is_left_out_of_the_simulation_that_it_tests(monkeypatch):
    learnt = []

    def simulated(tables, request, report):
        learnt.append(set(tables[0].columns["row"]))
        return simulate_from(tables, request, report)

    monkeypatch.setattr(judging, "simulate_from", simulated)
    real = table()
    request = WITHIN
    made = simulate_from([real], request, no_report)
    found = judge(request, made, [real])
    folds, draws = learnt[-5:], learnt[:-5]
    left_out = [row for rows in folds for row in set(range(len(real))) - rows]
    assert sorted(left_out) == list(range(len(real)))
    # Of few spectra, 3 and 5 a class in 8 draws, no others are simulated from.
    assert [len(rows) for rows in draws] == [6] * 8 + [10] * 8
    assert [gain.label for gain in found.gains] == ["3 a class", "5 a class", "all 19"]
    assert found.score_name == "macro F1"


def test_copies_are_told_by_their_distance():
    request = Request(
        "mixtures", 60, 0, {"class_field": "kind", "within_classes": True, "parts": {1: 1.0}}
    )
    found = judged(table(), request)
    assert found.mean("neighbour_ratio") < 1e-3
    assert "near copies" in render_simulation(simulate_from([table()], request, no_report), found)


def test_values_are_judged_by_r2():
    events = []
    found = judged(
        table(30), Request("gaussian", 100, 0, {"targets": ("fat",)}), report=events.append
    )
    assert found.score_name == "R²"
    assert found.of_real.mean() > 0.9
    assert found.of_simulated.mean() > 0.8
    assert [gain.label for gain in found.gains] == ["5", "10", "20", "40", "all 48"]
    done = [(event.done, event.total) for event in events if isinstance(event, Progressed)]
    assert done[-1] == (4 * 8 + 5, 4 * 8 + 5)


def test_fractions_of_a_library_are_judged_on_its_pure_spectra():
    found = judged(table(), Request("mixtures", 100, 0, {"class_field": "kind"}))
    assert found.truth.values == ("grass", "soil")
    assert found.truth.pure_classes == ("grass", "soil")
    assert found.of_simulated.mean() > 0.3


def test_what_is_refused_with_few_spectra_is_said():
    request = Request("gan", 40, 0, {"class_field": "kind", "gan_steps": 2})
    found = judged(table(40), request)
    assert [bool(gain.refused) for gain in found.gains] == [True] * 4 + [False]
    assert "with 3, 5, 10 and 20 a class gan cannot simulate" in verdict(found)
    assert "repeats what it saw" in found.gains[0].refused


def test_another_table_judges_what_was_made():
    real, others = table(), table(seed=5)
    made = simulate_from([real], WITHIN, no_report)
    found = judge(WITHIN, made, [real], against=others)
    assert found.against
    assert len(found.real) == len(others)
    assert found.gains[0].both.mean() > 0.8


def test_another_table_judges_by_no_spectrum_that_was_simulated_or_simulated_from():
    real, events = table(), []
    made = simulate_from([real], WITHIN, no_report)
    columns = pd.concat([real.columns, table(seed=5).columns, made.table().columns])
    spectra = np.concatenate([real.spectra, table(seed=5).spectra, made.table().spectra])
    mixed = SpectraTable("mixed", BANDS, spectra, columns.reset_index(drop=True))
    found = judge(WITHIN, made, [real], against=mixed, report=events.append)
    np.testing.assert_array_equal(found.real.spectra, table(seed=5).spectra)
    warnings = [str(event) for event in events if isinstance(event, Warned)]
    assert "60 of 108 spectra left out" in warnings[0]
    assert "24 of 48 spectra left out" in warnings[1]
    for own, why in ((real, "in the library"), (made.table(), "were simulated")):
        with pytest.raises(OptionError, match=why):
            judge(WITHIN, made, [real], against=own)


def test_a_judgement_needs_real_spectra_enough_of_them_and_their_columns():
    made = simulate_from([table()], WITHIN, no_report)
    with pytest.raises(OptionError, match="`against=`"):
        judge(WITHIN, made, [])
    with pytest.raises(OptionError, match="6 spectra with known targets.*10 or more"):
        judge(WITHIN, made, [table(3)])
    other = table()
    other = SpectraTable("other", BANDS, other.spectra, other.columns[["row"]])
    with pytest.raises(OptionError, match="none of the columns"):
        judge(WITHIN, made, [], against=other)


def gain(alone, both, overlap=0.0) -> Gain:
    return Gain("10 a class", np.array(alone), np.array(both), overlap)


def test_the_interval_of_a_gain_is_students_and_wider_where_draws_overlap():
    one = gain([0.5, 0.6, 0.7], [0.6, 0.6, 0.9])
    half = 4.302653 * 0.1 / math.sqrt(3)  # t of 2 degrees of freedom, standard deviation 0.1
    assert one.interval == pytest.approx((0.1 - half, 0.1 + half), rel=1e-6)
    low, high = gain(one.alone, one.both, overlap=0.25).interval
    assert high - low == pytest.approx(2 * half * math.sqrt((1 / 3 + 0.25) * 3), rel=1e-6)


def test_the_verdict_names_the_numbers_of_spectra_in_words_that_can_be_read():
    found = judged(table(), WITHIN)

    def of(label: str, by: float) -> Gain:
        return replace(gain([0.5, 0.6, 0.7], [0.5 + by, 0.6 + by, 0.7 + by]), label=label)

    few = replace(found, gains=(of("3 a class", 0.2), of("5 a class", 0.1), of("all 19", 0.1)))
    assert verdict(few).startswith(
        "Added to real spectra, they helped with 3 and 5 a class and all 19, most with 3 a class, where macro F1 goes from "
        "0.600 to 0.800 ("
    )
    values = replace(found, gains=(of("5", -0.1), of("10", 0.1), of("all 48", 0.1)))
    assert "they helped with 10 and all 48, most" in verdict(values)
    assert "they harmed with 5, where macro F1" in verdict(values)


def test_the_discrepancy_of_equal_samples_is_0_and_grows_with_their_distance():
    points = np.random.default_rng(0).normal(size=(50, 3))
    assert mmd(points, points, 1.0) == pytest.approx(0, abs=1e-7)
    assert 0.1 < mmd(points, points + 0.5, 1.0) < mmd(points, points + 2, 1.0)


def test_rough_spectra_and_those_out_of_range_are_told():
    random = np.random.default_rng(0)
    real = np.sin(BANDS / 100) * random.uniform(0.8, 1.2, (60, 1)) + 0.01 * random.normal(
        size=(60, 24)
    )
    rough = real[:20] + 0.2 * random.normal(size=(20, 24))
    alike = compare_spectra(real[:20], real[20:40], real[40:], None, random)
    unlike = compare_spectra(rough + 5, real[20:40], real[40:], None, random)
    assert alike.roughness == pytest.approx(1, abs=0.2)
    assert alike.outside < 0.01
    assert unlike.roughness > 2
    assert unlike.outside == 1
    assert unlike.mmd > 2 * unlike.mmd_real


def test_the_page_needs_nothing_else_and_says_when_there_is_nothing_to_judge_by():
    real = table()
    made = simulate_from([real], WITHIN, no_report)
    page = render_simulation(made, judged(real, WITHIN))
    assert page.count("<svg role") == 5
    assert "http" not in page.replace("http://www.w3.org", "")
    assert "Added to real spectra" in page
    assert "no measured" in render_simulation(made, None, "There are no measured spectra.")
