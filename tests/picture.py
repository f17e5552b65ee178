"""The picture of a comparison in a terminal, drawn from what the command prints.

`python -m tests.picture` prints the SVG; `make golden` writes it, and `make docs` holds it to the output.
"""

from __future__ import annotations

import io
import re

from rich.console import Console
from rich.text import Text

from tests import transcript

COMMAND = (
    "lossctl compare sample_data/digits.parquet -t digit -p 'softmax=softmax_*' -p 'mlp=mlp_*' --activation softmax "
    "-l cce -l brier"
)
FONT_FACES = re.compile(r"\s*@font-face \{[^}]*\}")  # fonts that a viewer would fetch from elsewhere


def picture() -> str:
    """Return the command and its coloured output as an SVG that needs nothing else."""
    with transcript.place() as folder:
        printed = transcript.run(f"{COMMAND} --color always", folder)
    lines = Text.from_ansi(f"$ {COMMAND}\n{printed}")
    console = Console(record=True, width=max(line.cell_len for line in lines.split()), file=io.StringIO())
    console.print(lines, soft_wrap=True)
    return FONT_FACES.sub("", console.export_svg(title="lossctl", unique_id="compare")) + "\n"


if __name__ == "__main__":
    print(picture(), end="")
