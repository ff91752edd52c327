"""The names of the steps, for the command line, and their signatures, for the provenance in a file."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from astrotl._params import construct, nearest, parameters, plain, tuples
from astrotl.images import ImageBatch
from astrotl.preprocess.bands import Choose, Combine
from astrotl.preprocess.clean import ClipNoise, ClipOutliers, FillNoData, SubtractBackground
from astrotl.preprocess.geometry import CropCatalogue, CropCentre, CropSource, Resize
from astrotl.preprocess.scaling import Linear, Normalise, Percentile, ZScale
from astrotl.preprocess.stretch import Asinh, Log, Lupton, Stretch

__all__ = ["Step", "make_step", "step_from_signature", "step_names", "step_signature"]

#: Anything that turns a batch into a batch; to be named in a file it is a frozen dataclass.
Step: TypeAlias = Callable[[ImageBatch], ImageBatch]

_BUILT_IN = (
    *(FillNoData, SubtractBackground, ClipNoise, ClipOutliers),
    *(Linear, Percentile, ZScale, Normalise, Log, Asinh, Lupton, Stretch),
    *(CropCentre, CropSource, CropCatalogue, Resize, Choose, Combine),
)


def _name(cls: type) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "-", cls.__name__).lower()


_STEPS: dict[str, type] = {_name(cls): cls for cls in _BUILT_IN}


def step_names() -> tuple[str, ...]:
    """List the names of all steps: the class's name with a dash before each further capital, in lower case.

    Examples
    --------
    >>> from astrotl.preprocess import step_names
    >>> step_names()[:2], "z-scale" in step_names()
    (('fill-no-data', 'subtract-background'), True)
    """
    return tuple(_STEPS)


def make_step(name: str, params: Mapping[str, Any] | None = None) -> Step:
    """Make a step by its name; capitals, dashes and underscores do not count.

    Parameters
    ----------
    name : str
        One of `step_names`.
    params : mapping, optional
        Its parameters.

    Returns
    -------
    step : callable
        The step.

    Examples
    --------
    >>> from astrotl.preprocess import make_step
    >>> make_step("asinh", {"softening": 0.2}), make_step("zscale")
    (Asinh(softening=0.2), ZScale(contrast=0.25, per='image'))
    """
    known = {_letters(known): known for known in _STEPS}
    if _letters(name) not in known:
        raise ValueError(f"step: there is no {name!r}{nearest(name.lower(), _STEPS)}; there are {', '.join(_STEPS)}")
    name = known[_letters(name)]
    step: Step = construct(_STEPS[name], name, params or {})
    return step


def step_signature(step: Step) -> dict[str, Any]:
    """Say in JSON what a step does: its name, or ``package.module:Class`` for one's own, and its parameters.

    Parameters
    ----------
    step : callable
        A step of astrotl or a frozen dataclass of one's own.

    Returns
    -------
    signature : dict
        ``{"step": ..., "parameters": {...}}``.

    Examples
    --------
    >>> from astrotl.preprocess import Asinh, step_signature
    >>> step_signature(Asinh())
    {'step': 'asinh', 'parameters': {'softening': 0.1}}
    """
    cls = type(step)
    settings = getattr(cls, "__dataclass_params__", None)
    if not dataclasses.is_dataclass(cls) or settings is None or not settings.frozen:
        raise ValueError(
            f"steps: {step!r} has no signature that lasts; write it as a class with @dataclass(frozen=True)"
        )
    signature = {
        "step": _name(cls) if cls in _BUILT_IN else f"{cls.__module__}:{cls.__qualname__}",
        "parameters": plain(parameters(step)),
    }
    try:
        json.dumps(signature)
    except TypeError as error:
        raise ValueError(f"steps: the parameters of {step!r} cannot be written as JSON: {error}") from error
    return signature


def step_from_signature(signature: Mapping[str, Any]) -> Step:
    """Make a step of astrotl from its signature; one's own are refused, for no file decides what is imported.

    Parameters
    ----------
    signature : mapping
        What `step_signature` gave, perhaps through JSON.

    Returns
    -------
    step : callable
        The step.

    Examples
    --------
    >>> from astrotl.preprocess import step_from_signature
    >>> step_from_signature({"step": "resize", "parameters": {"size": 64}})
    Resize(size=64, method='bicubic')
    """
    name = signature.get("step")
    if not isinstance(name, str) or name not in _STEPS:
        raise ValueError(f"steps: {name!r} is not a step of astrotl; pass steps= with the steps that made this file")
    return make_step(name, {key: tuples(value) for key, value in signature.get("parameters", {}).items()})


def _letters(name: str) -> str:
    return re.sub(r"[-_\s]", "", name).lower()
