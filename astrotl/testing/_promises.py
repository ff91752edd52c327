"""How a promise is held against what is done: what is said when it is broken, and what else all checks share."""

from __future__ import annotations

import inspect
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from astrotl._params import parameter_docs, parameter_names, parameters, plain, summary
from astrotl.errors import MissingDependencyError, WeightsError, first_line

#: What the fresh process does: it answers the question that it is sent, on its last line.
_ANSWER = """
import json, pickle, sys
sys.path[:] = json.loads(sys.stdin.buffer.readline())
print("\\n" + json.dumps(pickle.load(sys.stdin.buffer)()))
"""


@dataclass(frozen=True)
class Promises:
    """What is said of one object that is checked."""

    who: str

    @classmethod
    def of(cls, obj: Any, argument: str, kind: Any) -> Promises:
        """Begin with an object, which must be of this kind."""
        if isinstance(obj, type):
            raise TypeError(f"{argument}: expected an object, got the class {obj.__name__}; write {obj.__name__}(...)")
        if not isinstance(obj, kind):
            raise TypeError(f"{argument}: expected an object of the kind {kind.__name__}, got {obj!r}")
        return cls(type(obj).__name__)

    def hold(self, holds: Any, broken: str, remedy: str) -> None:
        """Say what is broken and what to do, unless the promise holds."""
        if not holds:
            raise AssertionError(f"{self.who}: {broken}; {remedy}")

    @contextmanager
    def trying(self, broken: str, remedy: str) -> Iterator[None]:
        """Take any error for a broken promise, but for a package or weights that are not here."""
        try:
            yield
        except (MissingDependencyError, WeightsError):
            raise
        except Exception as error:
            said = f"{broken} ({type(error).__name__}: {first_line(error)})"
            raise AssertionError(f"{self.who}: {said}; {remedy}") from error

    def documented(self, cls: type) -> None:
        """Check that the docstring says what it is, and what each parameter is."""
        # A dataclass without a docstring is given one that repeats its parameters.
        said = summary(cls) and not summary(cls).startswith(f"{cls.__name__}(")
        self.hold(said, "has no docstring", "say in a line what it does, which the command line shows")
        docs = parameter_docs(cls)
        for name in parameter_names(cls):
            remedy = "write NAME : TYPE and a line below it into its section Parameters, which the command line shows"
            self.hold(docs.get(name), f"has a docstring that says nothing of the parameter {name!r}", remedy)

    def made_again(self, obj: Any) -> None:
        """Check that the parameters are kept as they were given, under their own names."""
        for name, parameter in inspect.signature(type(obj)).parameters.items():
            remedy = "name every parameter, so that it can be written down with the results"
            self.hold(
                parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD), f"takes {parameter}", remedy
            )
            self.hold(hasattr(obj, name), f"does not keep its parameter {name!r}", f"write self.{name} = {name}")
        given = parameters(obj)
        with self.trying("cannot be made again of its own parameters", "let __init__ take what it keeps"):
            copy = type(obj)(**given)
        for name, value in given.items():
            kept = getattr(copy, name)
            self.hold(
                kept is value or _text(kept) == _text(value),
                f"changes its parameter {name!r} in __init__",
                "keep it as it was given, and work with it where it is used",
            )
        more = sorted(getattr(copy, "__dict__", {}).keys() - given.keys())
        self.hold(
            not more,
            f"keeps {', '.join(more)} in __init__, beside its parameters",
            "make it when it is first used, in a functools.cached_property, for only parameters travel",
        )

    def json(self, value: Any, what: str) -> None:
        """Check that a value is JSON and remains itself through JSON."""
        remedy = "keep to dict, list, str, int, float, bool and None; astrotl compares it with what is in a file"
        with self.trying(f"has {what} that cannot be written as JSON", remedy):
            again = json.loads(json.dumps(value, allow_nan=False))
        self.hold(again == value, f"has {what} that JSON changes, as it does tuples and keys that are numbers", remedy)

    def same_elsewhere(self, question: Callable[[], Any], what: str) -> None:
        """Check that a fresh process, which is sent the object, answers the same."""
        here = question()
        with self.trying(
            f"cannot say {what} in another process",
            "define its class at the top of a module that can be imported, and let its parameters be picklable",
        ):
            there = _elsewhere(question)
        remedy = "let nothing in it depend on the time, on addresses, or on the order of a set"
        self.hold(there == here, f"says another thing in another process when it is asked for {what}", remedy)


def pickled(promises: Promises, obj: Any, most: int) -> bytes:
    """Pickle an object that travels with every block of images."""
    remedy = "let its parameters be picklable, and define its class at the top of a module"
    with promises.trying("cannot be pickled", remedy):
        data = pickle.dumps(obj)
    promises.hold(
        len(data) <= most,
        f"takes {len(data):,} bytes to another process, with every block of images",
        "keep the name of a file, or what is needed to make it, and not what is in it",
    )
    return data


def side_by_side(function: Callable[[Any], Any], arguments: Iterable[Any]) -> list[Any]:
    """Call a function from four threads, which take turns as often as can be."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            return list(pool.map(function, arguments))
    finally:
        sys.setswitchinterval(usual)


def alike(some: np.ndarray, others: np.ndarray, tolerance: float, axes: Sequence[int] | None = None) -> bool:
    """Compare numbers to within a share of the largest among these axes; NaN is like NaN and nothing else."""
    if some.shape != others.shape:
        return False
    if not some.size:
        return True
    known = np.isfinite(some)
    if not np.array_equal(known, np.isfinite(others)) or not np.array_equal(
        some[~known], others[~known], equal_nan=True
    ):
        return False
    some, others = (np.where(known, values, 0).astype(np.float64) for values in (some, others))
    scale = np.abs(some).max(axis=None if axes is None else tuple(axes), keepdims=True)
    # A number that is next to nothing beside the others is not held to its own last digits.
    return bool((np.abs(some - others) <= tolerance * np.maximum(scale, 1e-2 * scale.max())).all())


def _elsewhere(question: Callable[[], Any]) -> Any:
    sent = json.dumps(sys.path).encode() + b"\n" + pickle.dumps(question)
    # Sets and hashes have another order there.
    seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    done = subprocess.run(
        [sys.executable, "-c", _ANSWER], input=sent, capture_output=True, env=environment, check=False
    )
    if done.returncode:
        raise RuntimeError(done.stderr.decode(errors="replace").strip().rpartition("\n")[2])
    return json.loads(done.stdout.decode().strip().rpartition("\n")[2])


def _text(value: Any) -> str:
    return repr(plain(value))
