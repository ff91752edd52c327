"""Finds what plugins bring, astrotl's own included, and keeps a broken one from breaking the tool."""

from __future__ import annotations

import functools
import importlib
import os
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
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
class _Known:
    name: str
    distribution: str
    version: str

    @property
    def package(self) -> str:
        """The package that it came with, and its version."""
        return f"{self.distribution} {self.version}"


@dataclass(frozen=True)
class Plugin(_Known):
    """A plugin that was found: its entry point's name, its package, and what it brings."""

    extractors: dict[str, str] = field(default_factory=dict)
    tasks: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class BrokenPlugin(_Known):
    """A plugin that was left out, and why."""

    cause: str


def plugins() -> tuple[Plugin, ...]:
    """List the plugins that work: what ships with astrotl, then the others in the order of their names.

    Examples
    --------
    >>> from astrotl.plugins import plugins
    >>> [plugin.name for plugin in plugins()][:1]
    ['builtin']
    """
    return tuple(_found().working.values())


def broken_plugins() -> tuple[BrokenPlugin, ...]:
    """List the plugins that were left out."""
    return tuple(_found().broken)


def load_extractor(name: str) -> type:
    """Import the extractor class of this name."""
    return _load("extractor", name)


def load_task(name: str) -> type:
    """Import the task class of this name."""
    return _load("task", name)


def in_full(cls: type) -> str:
    """Name a class and, where it is a plugin's, the package that it came with."""
    target = _target(cls)
    for plugin in plugins():
        if plugin.distribution != GROUP and target in {*plugin.extractors.values(), *plugin.tasks.values()}:
            return f"{cls.__name__} of {plugin.package}"
    return cls.__name__


def add_commands(cli: click.Group) -> None:
    """Let each plugin add its commands to ``cli``; one that fails, or takes another's command, is left out."""
    found = _found()
    for impl in found.manager.hook.astrotl_commands.get_hookimpls():
        key, before = impl.plugin_name, dict(cli.commands)
        try:
            impl.function(*[cli][: len(impl.argnames)])
            found.note_commands(key, before, cli.commands)
        except (Exception, SystemExit) as error:
            cli.commands.clear()
            cli.commands.update(before)
            found.leave_out(key, found.working[key], f"astrotl_commands failed: {_said(error)}")


@dataclass
class _Found:
    """What was found. Two packages may name an entry point alike, so a plugin is known by that name and its package."""

    manager: pluggy.PluginManager
    working: dict[str, Plugin] = field(default_factory=dict)
    broken: list[BrokenPlugin] = field(default_factory=list)
    commands: dict[str, str] = field(default_factory=dict)

    def take_in(self, key: str, plugin: Plugin, module: Any) -> None:
        self.manager.register(module, name=key)
        self.manager.check_pending()
        plugin = replace(
            plugin,
            extractors=_strings(self.manager, "astrotl_extractors", key),
            tasks=_strings(self.manager, "astrotl_tasks", key),
        )
        for own in (other for other in self.working.values() if other.distribution == GROUP):
            for kind in ("extractor", "task"):
                for name in _brought(plugin, kind).keys() & _brought(own, kind).keys():
                    raise PluginError(f"the {kind} {name!r} ships with astrotl; yours needs another name")
        self.working[key] = plugin

    def note_commands(self, key: str, before: Mapping[str, click.Command], after: Mapping[str, click.Command]) -> None:
        for name in [name for name, command in before.items() if after.get(name) is not command]:
            owner = self.commands.get(name)
            if owner != key:
                raise PluginError(f"the command {name!r} is that of {self.working[owner].package if owner else GROUP}")
        self.commands |= dict.fromkeys(after.keys() - before.keys(), key)

    def leave_out(self, key: str, plugin: Plugin, cause: str) -> None:
        self.working.pop(key, None)
        if self.manager.has_plugin(key):
            self.manager.unregister(name=key)
        self.broken.append(BrokenPlugin(plugin.name, plugin.distribution, plugin.version, cause))
        message = f"the plugin {plugin.name!r} of {plugin.package} is left out: {cause}"
        if os.environ.get("ASTROTL_STRICT_PLUGINS") == "1":
            raise PluginError(message)
        warnings.warn(message, PluginWarning, stacklevel=2)


@functools.cache
def _found() -> _Found:
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(hookspecs)
    found = _Found(manager)
    for point, plugin in sorted(_installed(), key=lambda pair: (pair[1].distribution != GROUP, pair[1].name)):
        key = f"{plugin.name} of {plugin.package}"
        try:
            found.take_in(key, plugin, point.load())
        except (Exception, SystemExit) as error:
            found.leave_out(key, plugin, _said(error))
    return found


def _installed() -> Iterator[tuple[metadata.EntryPoint, Plugin]]:
    for point in metadata.entry_points(group=GROUP):
        yield point, Plugin(point.name, *((point.dist.name, point.dist.version) if point.dist else ("?", "?")))


def _strings(manager: pluggy.PluginManager, hook: str, plugin: str) -> dict[str, str]:
    answer: dict[str, str] = {}
    for impl in getattr(manager.hook, hook).get_hookimpls():
        if impl.plugin_name != plugin:
            continue
        answer = impl.function()
        if not isinstance(answer, dict) or not all(
            isinstance(key, str) and isinstance(value, str) and ":" in value for key, value in answer.items()
        ):
            raise PluginError(f'{hook} must return {{"name": "package.module:Class"}}, got {answer!r}')
    return answer


def _load(kind: str, name: str) -> type:
    owners = [(plugin, brought[name]) for plugin in plugins() if name in (brought := _brought(plugin, kind))]
    if len(owners) > 1:
        claims = " and ".join(f"{plugin.name!r} of {plugin.package}" for plugin, _ in owners)
        raise PluginError(f"the {kind} {name!r} is claimed by the plugins {claims}; uninstall one of them")
    if not owners:
        known = sorted({other for plugin in plugins() for other in _brought(plugin, kind)})
        left_out = ", ".join(plugin.name for plugin in broken_plugins())
        raise PluginError(
            f"there is no {kind} {name!r}{nearest(name, known)}; known: {', '.join(known)}"
            + (f"; plugins left out: {left_out}" if left_out else "")
        )
    plugin, target = owners[0]
    who = f"the {kind} {name!r}" + (f" of {plugin.package}" if plugin.distribution != GROUP else "")
    cls = _class(target, who)
    interface = getattr(importlib.import_module("astrotl"), kind.title())
    if not (isinstance(cls, type) and issubclass(cls, interface)):
        raise PluginError(f"{who} cannot be used: {target} must be a subclass of astrotl.{interface.__name__}")
    if (written := _target(cls)) != target:
        # A store remembers the class by where it is written, and finds its plugin by that.
        raise PluginError(
            f"{who} cannot be used: its hook must name {written}, where the class is written, not {target}"
        )
    return cls


def _class(target: str, who: str) -> Any:
    module, _, attribute = target.partition(":")
    try:
        return functools.reduce(getattr, attribute.split("."), importlib.import_module(module))
    except (Exception, SystemExit) as error:
        missing = (getattr(error, "name", None) or "").partition(".")[0]
        if isinstance(error, ModuleNotFoundError) and missing not in ("", module.partition(".")[0]):
            raise missing_dependency(error, who) from error
        raise PluginError(f"{who} cannot be loaded from {target}: {_said(error)}") from error


def _target(cls: type) -> str:
    return f"{cls.__module__}:{cls.__qualname__}"


def _brought(plugin: Plugin, kind: str) -> dict[str, str]:
    return plugin.extractors if kind == "extractor" else plugin.tasks


def _said(error: BaseException) -> str:
    name = "" if isinstance(error, PluginError) else f"{type(error).__name__}: "
    return " ".join(f"{name}{error}".split())
