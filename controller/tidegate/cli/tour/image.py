"""The serving image in the demo's fresh repository: its version files get the digest that this machine's registry gave it.

Only ever in a new repository: a merged version file is immutable.
"""

from __future__ import annotations

import re
from pathlib import Path


def stamp_images(clone: Path, image: str) -> None:
    """Write `image` (name@sha256:...) into every version file of the digits model that has none or another."""
    for path in sorted((clone / "models/digits/versions").glob("*.yaml")):
        text = path.read_text()
        text = re.sub(r"(?m)^  image: .*\n", "", text)
        path.write_text(text.replace("\nruntime:\n", f'\nruntime:\n  image: "{image}"\n', 1))
