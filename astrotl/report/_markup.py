"""HTML out of Python, in which whatever is not made here as HTML is shown as text.

A page of a few kinds of elements needs no engine of templates; a function that escapes cannot be forgotten.
"""

from __future__ import annotations

from html import escape

__all__ = ["Markup", "join", "tag"]

#: What holds nothing; the slash is what SVG asks for, and HTML passes over.
_EMPTY = {"br", "circle", "img", "meta"}


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def tag(name: str, /, *children: object, **attributes: object) -> Markup:
    """Make an element; an underscore in an attribute is a dash, and one without a value is left out.

    >>> tag("p", "a < b", tag("br"), class_="note", data_row=3, title=None)
    '<p class="note" data-row="3">a &lt; b<br /></p>'
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{name}{given} />" if name in _EMPTY else f"<{name}{given}>{join(*children)}</{name}>")


def join(*parts: object) -> Markup:
    """Put HTML and text one after the other; None is nothing."""
    return Markup(
        "".join(part if isinstance(part, Markup) else escape(str(part)) for part in parts if part is not None)
    )
