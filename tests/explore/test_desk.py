"""What all tabs share: judgements become a ranking, questions follow each other, and others' labels come in."""

import numpy as np
import pytest

from astrotl.explore.desk import Desk
from astrotl.explore.judging import LabelFile


@pytest.fixture
def desk(copied):
    return Desk(copied.store, None, None, copied.labels, by="ann", classes=["ring"])


def test_questions_follow_each_other_until_nothing_is_left(desk):
    asked = []
    for _ in range(8):
        asked.append(desk.ask())
        desk.judge({asked[-1]: "boring"})
    assert len(set(asked)) == 8
    passed = desk.ask()
    assert desk.ask([passed]) not in {passed, *asked}
    desk.judge(dict.fromkeys(range(240), "boring"))
    assert desk.ask() is None


def test_the_first_questions_do_not_depend_on_how_often_they_are_asked(desk):
    assert desk.ask() == desk.ask()


def test_words_of_ones_own_are_of_interest_and_only_two_words_are_not(desk, survey):
    damaged = np.flatnonzero(survey.truth["kind"] == "damaged").tolist()
    others = np.flatnonzero(survey.truth["kind"] != "damaged").tolist()
    desk.judge({**dict.fromkeys(damaged[:4], "ring"), others[0]: "boring", others[1]: "artefact", others[2]: "boring"})
    told = desk.improve()
    assert (told["judged"], told["wanted"]) == (7, 4)
    interest = desk.objects.column("interest").values
    assert np.median(interest[damaged[4:]]) > np.median(interest[others])
    order = desk.objects.order("interest", True).tolist()
    assert set(order[:4]) == set(damaged[:4])
    assert set(order[-3:]) == set(others[:3])


def test_a_label_that_is_taken_back_counts_no_more(desk):
    desk.judge({0: "ring"})
    desk.judge({0: ""})
    with pytest.raises(ValueError, match="improve: judge some objects first"):
        desk.improve()


def test_what_others_write_is_news(desk, copied):
    desk.judge({0: "ring"})
    upto = desk.news(0)["upto"]
    LabelFile(copied.labels).say({"SIM0100": "boring", "of another store": "ring"}, "bob")
    assert desk.news(upto)["judged"] == [(99, "boring")]
    assert desk.news(0)["judged"] == [(0, "ring"), (99, "boring")]


def test_labels_are_there_again_after_a_restart(desk, copied):
    desk.judge({5: "ring", 6: "boring"})
    again = Desk(copied.store, None, None, copied.labels)
    assert sorted(again.news(0)["judged"]) == [(5, "ring"), (6, "boring")]


def test_results_that_say_nothing_are_no_opinion(copied):
    results = copied.weird["id", "nearest"]
    results["score"] = np.full(len(results), np.nan)
    desk = Desk(copied.store, results, None, copied.labels)
    assert desk.ask() is not None
