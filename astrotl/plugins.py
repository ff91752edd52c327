"""Finds what plugins bring, astrotl's own included, and keeps a broken one from breaking the tool."""

from __future__ import annotations

import functools
import importlib
import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import metadata
from typing import TYPE_CHECKING, Any

import pluggy

from astrotl import hookspecs
from astrotl._optional import missing_dependency
from astrotl._params import nearest
from astrotl.errors import PluginError, PluginWarning

if TYPE_CHECKING:
    import click

__all__ = ["BrokenPlugin", "Plugin", "broken_plugins", "load_extractor", "load_task", "plugins"]

GROUP = "astrotl"


@dataclass(frozen=True)
class Plugin:
    """A plugin that was found: its entry point's name, its distribution, and what it brings."""

    name: str
    distribution: str
    extractors: dict[str, str] = field(default_factory=dict)
    tasks: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class BrokenPlugin:
    """A plugin that was left out, and why."""

    name: str
    distribution: str
    cause: str


def plugins() -> tuple[Plugin, ...]:
    """List the plugins that work, in the order of their names.

    Examples
    --------
    >>> from astrotl.plugins import plugins
    >>> [plugin.name for plugin in plugins()][:1]
    ['builtin']
    """
    return _found().working


def broken_plugins() -> tuple[BrokenPlugin, ...]:
    """List the plugins that were left out."""
    return tuple(_found().broken)


def load_extractor(name: str) -> type:
    """Import the extractor class of this name."""
    return _load("extractor", name)


def load_task(name: str) -> type:
    """Import the task class of this name."""
    return _load("task", name)


def add_commands(cli: click.Group) -> None:
    """Let each plugin add its commands to ``cli``; one that fails is left out."""
    found = _found()
    for impl in found.manager.hook.astrotl_commands.get_hookimpls():
        try:
            impl.function(*[cli][: len(impl.argnames)])
        except Exception as error:
            found.leave_out(impl.plugin_name, f"astrotl_commands failed: {_said(error)}")


@dataclass
class _Found:
    manager: pluggy.PluginManager
    distributions: dict[str, str]
    broken: list[BrokenPlugin] = field(default_factory=list)
    working: tuple[Plugin, ...] = ()

    def leave_out(self, name: str, cause: str) -> None:
        if self.manager.has_plugin(name):
            self.manager.unregister(name=name)
        distribution = self.distributions[name]
        self.broken.append(BrokenPlugin(name, distribution, cause))
        message = f"the plugin {name!r} of {distribution} is left out: {cause}"
        if os.environ.get("ASTROTL_STRICT_PLUGINS") == "1":
            raise PluginError(message)
        warnings.warn(message, PluginWarning, stacklevel=2)


@functools.cache
def _found() -> _Found:
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(hookspecs)
    found = _Found(manager, {})
    for point in sorted(metadata.entry_points(group=GROUP), key=lambda point: point.name):
        found.distributions[point.name] = point.dist.name if point.dist else "?"
        try:
            manager.register(point.load(), name=point.name)
            manager.check_pending()
        except (Exception, SystemExit) as error:
            found.leave_out(point.name, _said(error))
    found.working = tuple(_read(found))
    return found


def _read(found: _Found) -> Iterator[Plugin]:
    for name, _ in sorted(found.manager.list_name_plugin()):
        try:
            extractors = _strings(found.manager, "astrotl_extractors", name)
            tasks = _strings(found.manager, "astrotl_tasks", name)
        except Exception as error:
            found.leave_out(name, _said(error))
        else:
            yield Plugin(name, found.distributions[name], extractors, tasks)


def _strings(manager: pluggy.PluginManager, hook: str, plugin: str) -> dict[str, str]:
    answer: dict[str, str] = {}
    for impl in getattr(manager.hook, hook).get_hookimpls():
        if impl.plugin_name != plugin:
            continue
        answer = impl.function()
        if not isinstance(answer, dict) or not all(
            isinstance(key, str) and isinstance(value, str) and ":" in value for key, value in answer.items()
        ):
            raise TypeError(f'{hook} must return {{"name": "package.module:Class"}}, got {answer!r}')
    return answer


def _load(kind: str, name: str) -> type:
    owners = [(plugin, brought[name]) for plugin in plugins() if name in (brought := _brought(plugin, kind))]
    if len(owners) > 1:
        claims = " and ".join(f"{plugin.name!r} of {plugin.distribution}" for plugin, _ in owners)
        raise PluginError(f"the {kind} {name!r} is claimed by the plugins {claims}; uninstall one of them")
    if not owners:
        known = sorted({other for plugin in plugins() for other in _brought(plugin, kind)})
        left_out = ", ".join(plugin.name for plugin in broken_plugins())
        raise PluginError(
            f"there is no {kind} {name!r}{nearest(name, known)}; known: {', '.join(known)}"
            + (f"; plugins left out: {left_out}" if left_out else "")
        )
    plugin, target = owners[0]
    module, _, attribute = target.partition(":")
    try:
        cls: Any = importlib.import_module(module)
        for part in attribute.split("."):
            cls = getattr(cls, part)
    except ModuleNotFoundError as error:
        raise missing_dependency(error, f"the {kind} {name!r}") from error
    except Exception as error:
        raise PluginError(
            f"the {kind} {name!r} of {plugin.distribution} cannot be loaded from {target}: {_said(error)}"
        ) from error
    return cls


def _brought(plugin: Plugin, kind: str) -> dict[str, str]:
    return plugin.extractors if kind == "extractor" else plugin.tasks


def _said(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())
