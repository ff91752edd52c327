"""Runs what the pages show: ``>>>`` blocks by doctestplus, ``$ astrotl`` lines in console blocks by `Commands`.

A block with a caption, also an included one, is a file of that name, written before the next command runs. A block of
the class needs-torch, needs-hats and the like is left out where that is not installed.
"""

from __future__ import annotations

import contextlib
import doctest
import importlib
import io
import os
import re
import shlex
import sys
import tempfile
import tomllib
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from textwrap import dedent, indent

import pytest

collect_ignore = ["_build", "api", "conf.py"]

_BLOCK = re.compile(r"^( *)\.\. code-block:: (\w+)\n((?:\1 +:\w+:.*\n)*)\s*\n((?:(?:\1 +.*)?\n)+)", re.MULTILINE)
_INCLUDED = re.compile(r"^\.\. literalinclude:: (.+)\n((?: +:\w+:.*\n)*)", re.MULTILINE)
_NEEDED = re.compile(r"needs-(\w+)")
_CAPTION = re.compile(r":caption: *(.+)")
_FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    if file_path.suffix == ".rst" and ".. code-block:: console" in file_path.read_text(encoding="utf-8"):
        return Page.from_parent(parent, path=file_path)
    return None


class Page(pytest.File):
    def collect(self) -> Iterator[pytest.Item]:
        yield Commands.from_parent(self, name="commands")


class Commands(pytest.Item):
    """All commands of one page, one after the other in one folder."""

    def runtest(self) -> None:
        with _empty_folder(), _untouched_process():
            for kind, options, body in _blocks(self.path):
                caption = _CAPTION.search(options)
                if caption:
                    path = Path(caption[1])
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_text(body, encoding="utf-8")
                elif kind == "console" and all(map(find_spec, _NEEDED.findall(options))):
                    for command, shown in _commands(body):
                        _check(command, shown, _run(command))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: object = None) -> str:
        return str(excinfo.value) if isinstance(excinfo.value, AssertionError) else str(super().repr_failure(excinfo))


def _blocks(page: Path) -> Iterator[tuple[str, str, str]]:
    def block(found: re.Match[str]) -> str:
        if not _CAPTION.search(found[2]):
            return ""
        body = (page.parent / found[1]).read_text(encoding="utf-8")
        return f".. code-block:: text\n{found[2]}\n{indent(body, '   ')}\n"

    text = _INCLUDED.sub(block, page.read_text(encoding="utf-8") + "\n")
    for match in _BLOCK.finditer(text):
        yield match[2], match[3], dedent(match[4]).strip("\n") + "\n"


def _commands(body: str) -> Iterator[tuple[str, str]]:
    for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
        command, _, shown = part.replace("\\\n", " ").partition("\n")
        yield command, shown.rstrip() + "\n"


def _check(command: str, shown: str, said: str) -> None:
    if not doctest.OutputChecker().check_output(shown, said, _FLAGS):
        raise AssertionError(f"$ {command}\nthe page shows:\n{shown}\nthe command says:\n{said}")


def _run(command: str) -> str:
    words = shlex.split(command)
    if words[:2] == ["pip", "install"]:
        return _stand_in_for_pip(Path(words[-1]))
    assert words[0] == "astrotl", f"only astrotl runs here, not {command}"
    from astrotl import cli, plugins

    plugins._found.cache_clear()
    _forget_modules()
    importlib.invalidate_caches()
    said, ships = io.StringIO(), dict(cli.cli.commands)
    sys.argv = words
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said), contextlib.suppress(SystemExit):
        cli.main()
    cli.cli.commands.clear()
    cli.cli.commands.update(ships)
    # What the page would have to hide: the time it took, and where the page was run.
    return said.getvalue().replace(os.getcwd() + os.sep, "")


def _forget_modules() -> None:
    """Have the page's own modules imported anew, or by nobody after it."""
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", "")).startswith(os.getcwd()):
            del sys.modules[name]


def _stand_in_for_pip(folder: Path) -> str:
    """Make a package's modules importable and its entry points known, without a network."""
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    info = Path(f"{project['name'].replace('-', '_')}-{project['version']}.dist-info").resolve()
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    points = "\n".join(f"{name} = {target}" for name, target in project["entry-points"]["astrotl"].items())
    (info / "entry_points.txt").write_text(f"[astrotl]\n{points}\n")
    sys.path[:0] = [str(info.parent), str(folder.resolve() / "src")]
    return ""


@contextlib.contextmanager
def _empty_folder() -> Iterator[None]:
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        yield


@contextlib.contextmanager
def _untouched_process() -> Iterator[None]:
    """Give the commands the surroundings of a terminal, and leave none of theirs behind."""
    from astrotl import plugins

    path, argv = list(sys.path), list(sys.argv)
    strict = os.environ.pop("ASTROTL_STRICT_PLUGINS", None)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            yield
    finally:
        sys.path[:], sys.argv[:] = path, argv
        _forget_modules()
        plugins._found.cache_clear()
        if strict is not None:
            os.environ["ASTROTL_STRICT_PLUGINS"] = strict
