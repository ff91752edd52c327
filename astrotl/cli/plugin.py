"""``astrotl plugin new``: the beginning of a package of one's own."""

from __future__ import annotations

import keyword
import os
import re
from importlib.util import find_spec
from string import Template

import click

from astrotl.cli._options import shared_options


@click.group()
def plugin() -> None:
    """Write a plugin."""


@plugin.command()
@click.argument("name")
@click.option("--folder", default=".", show_default=True, help="Where to put the package's folder.")
@shared_options
def new(name: str, folder: str) -> None:
    """Write a package with an extractor of one's own.

    \b
      astrotl plugin new astrotl-texture
      pip install -e astrotl-texture
      astrotl extract stamps/ --extractor texture

    The package works as it is written and comes with its tests. Only what it measures is left to be replaced.
    """
    from astrotl.cli._plugin_files import FILES

    words = _words(name)
    home = os.path.normpath(os.path.join(folder, words["package"]))
    if os.path.exists(home):
        raise ValueError(f"name: {home} is there already; give another name, or another place with --folder")
    for path, text in FILES.items():
        file = os.path.join(home, *Template(path).substitute(words).split("/"))
        os.makedirs(os.path.dirname(file), exist_ok=True)
        with open(file, "x", encoding="utf-8") as out:
            out.write(Template(text).substitute(words))
        click.echo(file)
    click.echo(f"\nThe plugin {words['package']} brings the extractor {words['name']}. Try it:")
    click.echo(f"  pip install -e {home}\n  astrotl extractors {words['name']}\n  pytest {home}")


def _words(given: str) -> dict[str, str]:
    """Spell a name as a package, a module, an extractor and a class; refuse one that cannot be all of them."""
    from astrotl.plugins import plugins

    if not re.fullmatch(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?", given, re.IGNORECASE | re.ASCII):
        raise ValueError(f"name: must be letters, digits and single hyphens, such as astrotl-texture, got {given!r}")
    package = re.sub(r"[-_.]+", "-", given).lower()
    module, name = package.replace("-", "_"), package.removeprefix("astrotl-")
    cls = name.title().replace("-", "")
    for word in (module, cls):
        if not word.isidentifier() or keyword.iskeyword(word):
            raise ValueError(f"name: {given!r} gives the name {word!r}, which Python does not take")
    if find_spec(module) is not None:
        raise ValueError(f"name: there is a package {module} already; give another name")
    for other in plugins():
        if name in other.extractors:
            raise ValueError(f"name: {other.package} has an extractor {name!r} already; give another name")
    if cls in ("Extractor", "InputSpec"):
        raise ValueError(f"name: {cls} is astrotl's own; give another name")
    return {"package": package, "module": module, "name": name, "class": cls}
