"""The page of a calibration: what it says, that it stands alone, and how a browser shows it."""

import dataclasses
import html
import re

import numpy as np
import pytest

from georaster_dl.spectra.report.content import TEST, Samples
from georaster_dl.spectra.report.page import render_report
from georaster_dl.spectra.report.pictures_of_values import agreement_chart, group_chart
from georaster_dl.spectra.report.style import MOST_POINTS
from tests.browser import WIDTHS, look_at
from tests.spectra.report.made import (
    HOSTILE,
    content_of_classes,
    content_of_values,
    samples,
    value,
)


def words(page):
    """The visible text of a page, without that of its charts."""
    page = re.sub(r"<(style|svg)\b.*?</\1>", " ", page, flags=re.DOTALL)
    while "<svg" in page:
        page = re.sub(r"<svg\b.*?</svg>", " ", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub("<[^>]+>", " ", page)).split())


def titles(page):
    return [html.unescape(title) for title in re.findall("<figcaption><b>(.*?)</b>", page)]


def test_the_first_page_says_what_how_well_and_when_not():
    content = content_of_values()
    text = words(render_report(content))
    (result,) = content.values
    test = content.samples.part == TEST
    alone = result.measured[test].std()
    assert "Predicts fat (%) from spectra of 1000 to 1580 nm (30 wavelengths, absorbance)" in text
    assert f"are off by {result.scores.rmsep:.3g} (RMSEP)" in text
    assert f"the mean would be off by {alone:.3g}" in text
    assert f"R² {result.scores.r2:.3f}" in text
    assert "90 % intervals are the prediction ± 0.6" in text
    within = (np.abs(result.predicted - result.measured) <= 0.6)[test].mean()
    assert f"{100 * within:.0f} % of the tested values lie within" in text
    learnt = result.measured[~test]
    assert f"below {learnt.min():.4g} or above {learnt.max():.4g}" in text
    assert "PLS was kept." in text
    assert "Rows were divided by chance." in text


def test_scores_on_the_page_are_those_of_the_result():
    content = content_of_values()
    text = words(render_report(content))
    scores = content.values[0].scores
    header = "RMSEC RMSECV RMSEP Bias SEP R² RPD RPIQ n, test"
    figures = [0.25, 0.4, scores.rmsep, scores.bias, scores.sep, scores.r2, scores.rpd, scores.rpiq]
    assert f"{header} {' '.join(f'{figure:.4g}' for figure in figures)} {scores.n}" in text
    assert "svm C 100 0.39 0.03 0.45 0.310" in text
    assert "rf 1.2 0.1 1.3 < 0.001" in text


def test_a_model_that_is_no_better_than_the_mean_is_said_to_be_of_no_use():
    of = samples()
    content = content_of_values(value(of, error=40.0), of=of)
    assert "it is of no use there" in words(render_report(content))


def test_measured_and_predicted_have_one_scale():
    of = samples()
    chart = agreement_chart(value(of), of)
    assert (chart.x.low, chart.x.high) == (chart.y.low, chart.y.high)
    assert chart.square
    assert chart.x.label == "measured fat (%)"
    assert chart.y.label == "predicted fat (%)"
    assert "sample 59: measured" in chart.svg


def test_all_pictures_of_values_are_there():
    of = samples(groups=np.array([f"farm {i % 4}" for i in range(60)], object))
    assert titles(render_report(content_of_values(of=of))) == [
        *("Predicted against measured", "Spectra as measured", "Preprocessed spectra"),
        *("Residuals", "Residuals by group", "Error by number of latent variables"),
        *("Regression coefficients", "VIP", "Selectivity ratio", "PLS scores"),
        *("Distance from the calibration", "Methods on the same rows"),
    ]


def test_several_quantities_have_their_own_pictures():
    of = samples()
    values = (value(of), value(of, name="water", label="water (%)", seed=5))
    page = render_report(content_of_values(*values, of=of))
    assert titles(page).count("Predicted against measured") == 2
    assert "RMSEP, water" in words(page)


def test_what_is_not_known_is_left_out():
    full = content_of_values()
    of = Samples(full.samples.names, full.samples.part)
    (result,) = full.values
    bare = dataclasses.replace(result, lower=None, upper=None, level=None, errors={}, curve=None, importance=None)  # fmt: skip
    page = render_report(
        dataclasses.replace(full, samples=of, values=(bare,), distances=None, methods={})
    )
    assert titles(page) == ["Predicted against measured", "Residuals"]
    assert "intervals" not in words(page)


def test_classes_have_a_matrix_in_place_of_values():
    content = content_of_classes()
    page = render_report(content)
    text = words(page)
    scores = content.classes.scores
    assert f"{100 * scores.accuracy:.0f} % get the right kind" in text
    assert "Predicted against measured" not in text
    assert "Confusion matrix" in text
    row = scores.confusion.names.index("hay")
    counts = " ".join(str(n) for n in scores.confusion.counts[row])
    assert f"hay {counts}" in text
    assert titles(page) == [
        *("Spectra as measured", "Preprocessed spectra", "Error by number of latent variables"),
        *("PLS scores", "Distance from the calibration"),
    ]


@pytest.mark.parametrize("make", [content_of_values, content_of_classes])
def test_the_page_needs_nothing_else(make):
    page = render_report(make())
    assert re.findall(r'(?:src|href)="(?!data:)', page) == []
    assert "url(" not in page
    assert "<script" not in page


def test_foreign_text_is_no_markup():
    of = samples(names=[HOSTILE] * 60, groups=np.array([HOSTILE, "b"] * 30, object))
    result = value(of, name=HOSTILE, label=HOSTILE)
    content = content_of_values(result, of=of)
    hostile = {"title": HOSTILE, "table": HOSTILE, "choice": HOSTILE, "limits": (HOSTILE,)}
    hostile |= {"repairs": (HOSTILE,), "facts": ((HOSTILE, HOSTILE),)}
    page = render_report(dataclasses.replace(content, **hostile))
    assert "<script" not in page
    assert html.escape(HOSTILE, quote=False)[:20] in page


def test_of_very_many_samples_a_part_is_drawn_and_said_to_be():
    of = samples(9000)
    page = render_report(content_of_values(value(of), of=of))
    training = agreement_chart(value(of), of).svg.count("<circle")
    assert training == MOST_POINTS
    assert "at most 3,000 points of each part" in words(page)


def test_groups_that_are_too_many_to_read_are_not_drawn():
    of = samples(groups=np.array([f"sample {i}" for i in range(60)], object))
    assert group_chart(value(of), of) is None


@pytest.mark.slow
@pytest.mark.parametrize("make", [content_of_values, content_of_classes])
def test_the_page_in_a_browser(make, tmp_path):
    content = make()
    path = tmp_path / "page.html"
    path.write_text(render_report(content), encoding="utf-8")
    seen, console = look_at(path, tmp_path / "profile", height=900, text="td, p, li, dd div")
    assert console == []
    for view, width in zip(seen, WIDTHS, strict=True):
        assert view["width"] == width
        assert view["scroll"] <= width, "the page scrolls sideways"
        assert view["title"] == content.title
        assert view["smallest"] >= 12


def test_weights_that_are_not_of_the_model_alone_are_said_to_be():
    of = samples()
    one, other = value(of), value(of, name="water", label="water (%)", seed=5)
    assert "Of one PLS of all targets" not in render_report(content_of_values(one, of=of))
    assert "Of one PLS of all targets" in render_report(content_of_values(one, other, of=of))
    selected = np.where(np.arange(30) < 10, 1.0, 0.0)
    importance = dataclasses.replace(one.importance, coefficients=selected)
    result = dataclasses.replace(one, importance=importance)
    assert "also of those whose coefficient is 0 here" in render_report(
        content_of_values(result, of=of)
    )
