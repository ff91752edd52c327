"""What this package brings to astrotl."""

import click

from astrotl import hookimpl


@hookimpl
def astrotl_extractors():
    return {"power-spectrum": "astrotl_example.spectrum:PowerSpectrum"}


@hookimpl
def astrotl_tasks():
    return {"loneliest": "astrotl_example.loneliest:Loneliest"}


@hookimpl
def astrotl_commands(cli):
    @cli.command("count")
    @click.argument("store")
    def count(store):
        """Say how many objects of a store have features."""
        from astrotl import FeatureStore

        click.echo(len(FeatureStore(store).done()))
