"""Classes of these tests are sent to another process, which has to find them."""

from pathlib import Path

import pytest

from astrotl.errors import first_line


@pytest.fixture(autouse=True)
def _can_be_found(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[2])


@pytest.fixture
def broken():
    """Run a check that must fail, and say what it said; the words name the class and end with what to do."""

    def said(check, obj, *arguments, **settings):
        with pytest.raises(AssertionError) as caught:
            check(obj, *arguments, **settings)
        words = str(caught.value)
        assert words.startswith(f"{type(obj).__name__}: ")
        assert "; " in words
        assert first_line(caught.value) == words
        return words

    return said
