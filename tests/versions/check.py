"""Check that the code of every step whose results are kept is listed, as `make lint` does."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "workflow"))

from noise_resistance.errors import NoiseResistanceError  # noqa: E402
from noise_resistance.store.fingerprint import fingerprint  # noqa: E402
from noise_resistance.store.versions import (  # noqa: E402
    STORED_STEPS,
    is_listed,
    read_versions,
)


def unlisted() -> list[str]:
    """Return a line for each step whose present code is not listed: what to run."""
    versions = read_versions()
    lines = []
    for step in STORED_STEPS:
        if is_listed(step):
            continue
        code, run = f"fingerprint {fingerprint(step)}", f"run `make declare STEP={step} AS="
        if versions[step].fingerprints:
            lines.append(
                f"{step}: its code has changed ({code}): {run}equal` if its numbers stay the "
                f"same, {run}new` if not"
            )
        else:
            lines.append(f"{step}: no code is listed yet ({code}): {run}first`")
    return lines


if __name__ == "__main__":
    try:
        found = unlisted()
    except NoiseResistanceError as error:
        sys.exit(f"error: {error}")
    print("\n".join(found) or "the code of every step is listed")
    sys.exit(1 if found else 0)
