"""The checks that the steps make of their parameters."""

from __future__ import annotations

import numbers
from collections.abc import Iterable
from typing import Any

import numpy as np

from astrotl.preprocess._statistics import LARGEST


def frozen(value: Any) -> Any:
    """Turn lists and arrays into tuples, so that a step can be hashed."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    return tuple(frozen(item) for item in value) if isinstance(value, (list, tuple)) else value


def is_number(value: Any) -> bool:
    """Whether this is one number that float32 can work with."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool) and abs(float(value)) < LARGEST


def validate_number(name: str, value: Any) -> None:
    """Ask for one finite number."""
    if not is_number(value):
        raise ValueError(f"{name}: expected a number, got {value!r}")


def validate_positive(name: str, value: Any) -> None:
    """Ask for one finite number above zero."""
    if not is_number(value) or value < 1 / LARGEST:
        raise ValueError(f"{name}: expected a number above 0, got {value!r}")


def validate_whole(name: str, value: Any, least: int = 1) -> None:
    """Ask for a whole number."""
    if not isinstance(value, numbers.Integral) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name}: expected a whole number, at least {least}, got {value!r}")


def validate_choice(name: str, value: Any, allowed: Iterable[str]) -> None:
    """Ask for one of a few words."""
    if value not in allowed:
        raise ValueError(f"{name}: expected one of {', '.join(allowed)}, got {value!r}")


def validate_numbers(name: str, value: Any) -> None:
    """Ask for one number, or one a channel."""
    if not is_number(value) and not (isinstance(value, tuple) and value and all(is_number(item) for item in value)):
        raise ValueError(f"{name}: expected one number or one for each channel, got {value!r}")


def per_channel(name: str, value: float | tuple[float, ...], channels: tuple[str, ...]) -> np.ndarray:
    """Give one number or one a channel the shape that fits a batch."""
    if isinstance(value, tuple) and len(value) != len(channels):
        raise ValueError(f"{name}: expected one number or {len(channels)}, for {channels}, got {len(value)}")
    return np.array(value, dtype=np.float64).reshape(1, -1, 1, 1)
