"""Plugins are found by their entry points; a broken one is left out with a word, and breaks nothing."""

import os
import subprocess
import sys

import pytest

from astrotl import hookspecs, plugins
from astrotl.errors import PluginError

GOOD = """
from astrotl import Extractor, InputSpec, hookimpl

@hookimpl
def astrotl_extractors():
    return {"mean": "NAME:Mean"}

@hookimpl
def astrotl_commands(cli):
    import click

    @cli.command()
    def greet():
        "Say hello."
        click.echo("hello from a plugin")

class Mean(Extractor):
    dim = 1
    input = InputSpec()

    def _extract(self, images):
        return images.mean(axis=(1, 2, 3))[:, None]
"""


@pytest.fixture
def astrotl(tmp_path):
    """Run the command line with made-up plugin packages on the path: ``astrotl(arguments, {name: code})``."""

    def run(arguments, packages, strict=False):
        for name, code in packages.items():
            (tmp_path / f"{name}.py").write_text(code.replace("NAME", name))
            info = tmp_path / f"{name}-1.0.dist-info"
            info.mkdir()
            (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}-package\nVersion: 1.0\n")
            (info / "entry_points.txt").write_text(f"[astrotl]\n{name} = {name}\n")
        environment = {**os.environ, "PYTHONPATH": str(tmp_path), "ASTROTL_STRICT_PLUGINS": str(int(strict))}
        return subprocess.run(
            [sys.executable, "-m", "astrotl", *arguments], capture_output=True, text=True, env=environment, check=False
        )

    return run


def test_a_plugin_brings_an_extractor_and_a_command(astrotl):
    done = astrotl(["extractors"], {"good": GOOD})
    assert done.returncode == 0
    assert "mean " in done.stdout
    assert "profiles " in done.stdout


def test_a_plugins_command_runs(astrotl):
    done = astrotl(["greet"], {"good": GOOD})
    assert done.stdout == "hello from a plugin\n"


BROKEN = {
    "import": ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
    "misspelt": (GOOD.replace("astrotl_extractors", "astrotl_extractor"), "unknown hook 'astrotl_extractor'"),
    "argument": (GOOD.replace("astrotl_commands(cli)", "astrotl_commands(command_line)"), "command_line"),
    "answer": (GOOD.replace('{"mean": "NAME:Mean"}', '["mean"]'), "astrotl_extractors must return"),
    "failing": (GOOD.replace('return {"mean": "NAME:Mean"}', "1 / 0"), "ZeroDivisionError"),
    "exit": ("raise SystemExit(3)", "SystemExit: 3"),
    "command": (GOOD.replace("import click", "raise OSError('no way')"), "astrotl_commands failed: OSError: no way"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_plugin_is_named_and_breaks_nothing(astrotl, kind):
    code, said = BROKEN[kind]
    done = astrotl(["plugins"], {"broken": code, "good": GOOD})
    assert done.returncode == 0
    assert "builtin (astrotl)" in done.stdout
    assert "good (good-package)" in done.stdout
    assert "broken (broken-package) is left out: " in done.stdout
    assert said in done.stdout
    assert "astrotl: warning: the plugin 'broken' of broken-package is left out" in done.stderr
    assert "Traceback" not in done.stderr


def test_strict_makes_it_an_error(astrotl):
    done = astrotl(["plugins"], {"broken": "import no_such_module"}, strict=True)
    assert done.returncode == 1
    assert "astrotl: error: the plugin 'broken' of broken-package is left out" in done.stderr


def test_a_name_claimed_twice_names_both_owners(astrotl):
    done = astrotl(["extractors", "mean"], {"one": GOOD, "two": GOOD.replace("def greet", "def wave")})
    assert done.returncode == 1
    assert "the extractor 'mean' is claimed by the plugins 'one' of one-package and 'two' of two-package" in done.stderr
    assert astrotl(["extractors", "profiles"], {}).returncode == 0


def test_a_class_that_is_not_there_is_said(astrotl):
    done = astrotl(["extractors", "mean"], {"good": GOOD.replace("NAME:Mean", "NAME:Median")})
    assert done.returncode == 1
    assert "the extractor 'mean' of good-package cannot be loaded from good:Median" in done.stderr


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(
        PluginError, match=r"there is no extractor 'profile' \(did you mean 'profiles'\?\); known: am-radio, arcs"
    ):
        plugins.load_extractor("profile")


def test_what_ships_comes_in_by_the_same_door():
    (builtin,) = (plugin for plugin in plugins.plugins() if plugin.name == "builtin")
    assert builtin.distribution == "astrotl"
    assert {"arcs", "concat", "dinov2", "efficientnet-lite0", "profiles", "timm", "ulisse"} <= set(builtin.extractors)
    assert set(builtin.tasks) == {"agn", "anomaly", "epochs", "lens", "properties", "similar"}


def test_every_hook_says_what_it_is_for():
    hooks = [getattr(hookspecs, name) for name in dir(hookspecs) if name.startswith("astrotl_")]
    assert len(hooks) == 3
    assert all(hook.__doc__ for hook in hooks)
