"""What the commands that teach a network share: their options, and a line for each epoch."""

from __future__ import annotations

import contextlib
import functools
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

_MADE = ("extractor", "settings", "steps", "augment")


def extractor_named(name: str, settings: dict[str, Any]) -> Any:
    """Make the extractor to begin with."""
    from astrotl.extract import make_extractor

    return make_extractor(name, settings)


def training_options(
    methods: Sequence[str],
    about: str,
    *,
    batch: int,
    start: Callable[[str, dict[str, Any]], Any] = extractor_named,
) -> Callable[[F], F]:
    """Add how a network is taught to a command, which gets ``training``: called, it gives what the training takes."""
    options = (
        click.option("--extractor", default="efficientnet-lite0", show_default=True, help="The network to begin with."),
        click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A parameter of the extractor."),
        click.option(
            "--step", "steps", multiple=True, metavar="NAME:KEY=VALUE,...", help="A preprocessing step, in order."
        ),
        click.option("--method", type=click.Choice(methods), default="whole", show_default=True, help=about),
        click.option(
            "--validation", type=float, default=0.15, show_default=True, help="The share of the images to check with."
        ),
        click.option(
            "--epochs", type=int, help="How often each image is seen at most; by default by how many there are."
        ),
        click.option(
            "--patience", type=int, help="Stop after so many epochs in vain; by default it goes on to the end."
        ),
        click.option("--rate", type=float, help="The highest learning rate; by default what suits the method."),
        click.option(
            "--decay", type=float, default=0.75, show_default=True, help="The rate of a layer by that of the next."
        ),
        click.option(
            "--batch", type=int, default=batch, show_default=True, help="Images between two changes of the weights."
        ),
        click.option(
            "--augment/--no-augment", default=True, show_default=True, help="Turn, mirror and blur the images."
        ),
        click.option("--precision", default="float32", show_default=True, help="float32 or bfloat16."),
        click.option("--devices", type=int, default=1, show_default=True, help="The number of graphics cards."),
        click.option("--seed", type=int, default=0, show_default=True, help="The seed of every draw."),
    )

    def add(function: F) -> F:
        @functools.wraps(function)
        def command(**given: Any) -> Any:
            made = {name: given.pop(name) for name in _MADE}
            return function(training=functools.partial(_training, start=start, **made), **given)

        for option in reversed(options):
            command = option(command)
        return command  # type: ignore[return-value]

    return add


def _training(
    extractor: str,
    settings: tuple[str, ...],
    steps: tuple[str, ...],
    augment: bool,
    start: Callable[[str, dict[str, Any]], Any],
) -> dict[str, Any]:
    from astrotl._params import parse_call, parse_settings
    from astrotl.preprocess import make_step

    return {
        "extractor": start(extractor, parse_settings(settings)),
        "steps": [make_step(*parse_call(step)) for step in steps] or None,
        "augment": "sky" if augment else None,
    }


class _Lines(logging.Handler):
    """Shows a line for each epoch, above the bar if there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        from tqdm import tqdm

        with tqdm.external_write_mode():
            click.echo(self.format(record), err=True)


@contextlib.contextmanager
def epochs_told() -> Iterator[None]:
    """Have a training say what each epoch has reached."""
    logger, lines = logging.getLogger("astrotl.training"), _Lines()
    level = logger.level
    logger.addHandler(lines)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(lines)
        logger.setLevel(level)
