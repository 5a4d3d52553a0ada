"""Commands for people rather than for rules."""

import click

__all__ = ["configuration_reference"]


@click.command()
def configuration_reference() -> None:
    """Print the reference of the configuration as Markdown."""
    from noise_resistance.study.reference import configuration_reference as write

    click.echo(write(), nl=False)
