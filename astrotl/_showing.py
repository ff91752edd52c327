"""What a notebook shows of stores, indexes and answers, which are on lower floors than the room that draws them.

That room is known here by its name alone, as a plugin is, and is imported when something is shown.
"""

from __future__ import annotations

import importlib
from typing import Any


def shown(kind: str, *given: Any) -> str:
    """Draw a ``"store"``, an ``"index"`` or a ``"table"`` as HTML."""
    return str(getattr(importlib.import_module("astrotl.report.notebook"), f"{kind}_html")(*given))
