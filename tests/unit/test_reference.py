"""The configuration's reference says what the schema says."""

from pathlib import Path

from noise_resistance.study.reference import configuration_reference

ROOT = Path(__file__).parents[2]


def test_the_reference_is_the_one_made_from_the_schema():
    written = (ROOT / "config" / "README.md").read_text(encoding="utf-8")
    assert written == configuration_reference(), "run `make reference`"


def test_the_reference_has_a_row_for_a_nested_key_with_default_and_meaning():
    assert "| `training.epochs` | `200` | integer, >= 1 | Passes over" in configuration_reference()
