"""The commands of the store, under one name."""

import click

from noise_resistance.cli import store_exchange, store_upkeep

__all__ = ["store"]


@click.group()
def store() -> None:
    """Look after the store: what was computed before, and is not computed again."""


for _module in (store_upkeep, store_exchange):
    for _name in _module.__all__:
        store.add_command(getattr(_module, _name))
