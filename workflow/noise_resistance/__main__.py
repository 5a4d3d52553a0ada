"""``python -m noise_resistance``."""

from noise_resistance.cli import main

main()
