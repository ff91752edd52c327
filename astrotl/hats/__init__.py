"""Results out into the catalogues that surveys are published as."""

from __future__ import annotations

from astrotl.hats.writing import write_hats

__all__ = ["write_hats"]
