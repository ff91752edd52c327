"""The hooks of a plugin: three functions that say in strings what it brings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    import click

hookspec = pluggy.HookspecMarker("astrotl")
hookimpl = pluggy.HookimplMarker("astrotl")


@hookspec
def astrotl_extractors() -> dict[str, str]:
    """Return ``{"name": "package.module:Class"}`` for each `~astrotl.extractors.Extractor` that the plugin brings."""


@hookspec
def astrotl_tasks() -> dict[str, str]:
    """Return ``{"name": "package.module:Class"}`` for each `~astrotl.tasks.Task` that the plugin brings."""


@hookspec
def astrotl_commands(cli: click.Group) -> None:
    """Add the plugin's own commands to ``cli``, the click group behind ``astrotl``."""
