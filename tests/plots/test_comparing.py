"""The figure of several runs beside each other, by what is drawn in it."""

import numpy as np
import pytest
from astropy.table import Table

from astrotl.plots import compared


def runs_of(extractors=("lite0", "profiles"), heads=("linear",), fractions=(0.1, 0.5, 1.0), seeds=3, measure="f1"):
    rows = [
        (extractor, "whole", head, fraction, seed, 0.5 + 0.1 * fraction + 0.01 * seed + 0.05 * number)
        for number, extractor in enumerate(extractors)
        for head in heads
        for fraction in fractions
        for seed in range(seeds)
    ]
    return Table(rows=rows, names=("extractor", "variant", "head", "fraction", "seed", measure))


def test_a_line_is_the_mean_of_the_seeds_and_its_band_their_range():
    ax = compared(runs_of())
    line = next(line for line in ax.lines if line.get_label() == "lite0")
    np.testing.assert_allclose(line.get_xdata(), [0.1, 0.5, 1.0])
    np.testing.assert_allclose(line.get_ydata(), [0.52, 0.56, 0.61])
    corners = np.concatenate([band.get_paths()[0].vertices for band in ax.collections])
    assert {round(y, 2) for x, y in corners if x == 0.1} == {0.51, 0.53, 0.56, 0.58}
    assert ax.get_xscale() == "log"
    assert [label.get_text() for label in ax.get_xticklabels()] == ["10 %", "50 %", "100 %"]
    assert ax.get_ylabel() == "F1"


def test_lines_are_named_by_what_differs_and_the_best_comes_first():
    ax = compared(runs_of(heads=("linear", "knn")))
    names = [text.get_text() for text in ax.get_legend().get_texts()]
    assert set(names) == {"lite0, linear", "lite0, knn", "profiles, linear", "profiles, knn"}
    assert names[0].startswith("profiles")


def test_a_scatter_is_the_better_the_smaller_it_is():
    ax = compared(runs_of(measure="scatter"))
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["lite0", "profiles"]


def test_twelve_lines_are_told_apart():
    ax = compared(runs_of([f"network {number}" for number in range(12)]))
    assert len({(line.get_color(), str(line.get_linestyle()), line.get_marker()) for line in ax.lines}) == 12


def test_of_many_the_best_are_drawn_and_long_names_are_cut():
    names = [f"timm:model=a_network_with_a_very_long_name_{n:02}" for n in range(30)]
    rows = [(name, share, 0, share * (n + 1) / 30) for n, name in enumerate(names) for share in (0.1, 1.0)]
    ax = compared(Table(rows=rows, names=("extractor", "fraction", "seed", "f1")))
    assert ax.get_title(loc="left") == "the best 12 of 30"
    drawn = [text.get_text() for text in ax.get_legend().get_texts()]
    assert len(drawn) == 12
    assert drawn[0].endswith("_29")
    assert max(map(len, drawn)) < 46


def test_one_share_of_labels_makes_rows():
    ax = compared(runs_of(fractions=(1.0,)), measure="f1")
    assert [label.get_text() for label in ax.get_yticklabels()] == ["profiles", "lite0"]
    assert [text.get_text() for text in ax.texts] == ["0.660", "0.610"]
    assert ax.get_xlabel() == "F1, with 100 % of the labels"


def test_a_run_without_a_measure_is_left_out():
    runs = runs_of()
    runs["f1"][(runs["extractor"] == "lite0") & (runs["fraction"] == 0.1)] = np.nan
    lines = {line.get_label(): line for line in compared(runs).lines}
    assert lines["lite0"].get_xdata().tolist() == [0.5, 1.0]


def test_what_cannot_be_drawn_is_said():
    with pytest.raises(ValueError, match="runs: have no column 'auc'; they have extractor"):
        compared(runs_of(), measure="auc")
    runs = runs_of()
    runs["f1"] = np.nan
    with pytest.raises(ValueError, match="runs: none has a f1"):
        compared(runs)
