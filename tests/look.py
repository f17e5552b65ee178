"""Look at every figure and at the report page in a browser: headless Chromium, light and dark, at three widths.

`make look` writes one picture for each page and theme to `.look/`: the page at 400, 900 and 1400 px side by side. It
ends with 1 where a page is wider than its window. `ARGS="calibration scores"` takes pages by their names.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from html import escape
from pathlib import Path
from typing import Final

from lossctl.__main__ import run
from lossctl.cli.app import HOMES
from lossctl.results.figure import Axis, Figure, Layer, Panel
from tests.conftest import ROOT

FOLDER: Final = ROOT / ".look"
WIDTHS: Final = (400, 900, 1400)
GAP: Final = 16
THEMES: Final = {"light": 1, "dark": 0}  # Chromium's own numbers of the preferred colours
BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome")
DIABETES: Final = "sample_data/diabetes.csv -t progression -p linear -p forest"
CANCER: Final = "sample_data/breast_cancer.csv -t diagnosis --positive-label malignant -p logistic -p forest"
WINE: Final = "sample_data/wine.csv -t cultivar -p 'forest=forest_*'"
DIGITS: Final = "sample_data/digits.parquet -t digit -p 'mlp=mlp_*' --activation softmax"
COMMANDS: Final = {
    "loss": "plot loss mse mae huber log_cosh q90=quantile:q=0.9 msle poisson --grad",
    "hinge": "plot loss hinge squared_hinge",
    "focal": "plot loss focal --vary gamma=0,0.5,1,2,5",
    "residuals": f"plot residuals {DIABETES}",
    "scatter": f"plot scatter {DIABETES}",
    "rec": f"plot rec {DIABETES}",
    "bias": f"plot bias {DIABETES}",
    "amounts": "plot calibration sample_data/doctor_visits.parquet -t visits -p poisson -p boosted",
    "calibration": f"plot calibration {CANCER}",
    "scores": f"plot scores {CANCER}",
    "lift": f"plot lift {CANCER}",
    "confusion": f"plot confusion {WINE}",
    "digits": f"plot confusion {DIGITS}",
    "slices": f"plot slices {DIABETES} --by age_band -l mae",
    "models": f"plot models {DIABETES} -l rmse -l mae",
    "report": f"report {DIABETES} --by age_band --baseline linear",
}
NAMES: Final = tuple(f"<b>region</b> {place} of a rather long name" for place in range(12))
HARD: Final = Figure(  # names that are long and hostile, an interval that is cut, many rows and few
    "slices",
    "Differences by a column of which the name is much longer than the figure is wide on the screen of a phone",
    (
        Panel(
            Axis("difference in rmse of <script>alert(1)</script> to the baseline", "mm", domain=(-2.0, 2.0)),
            Axis("", categories=NAMES),
            (
                Layer("rule", x=(0.0,)),
                Layer(
                    "interval",
                    tuple(-1.0 - place / 5.0 for place in range(12)),
                    tuple(map(float, range(12))),
                    tuple(place / 4.0 - 0.9 for place in range(12)),
                    tuple(map(float, range(12))),
                    series="a model with a name that is long, too",
                ),
                Layer(
                    "point",
                    tuple(-0.9 + place / 30.0 for place in range(12)),
                    tuple(map(float, range(12))),
                    size=tuple(10.0 + 40.0 * place for place in range(12)),
                    series="a model with a name that is long, too",
                    texts=NAMES,
                ),
            ),
        ),
    ),
    ("a model with a name that is long, too", "b", "模型"),
    "A sentence that says what was found, and that goes on for some more words than fit into a line.",
    ("A note on intervals that were cut at the ends of the axis, which have arrows there.", "Another note."),
)
SHEET: Final = """<!DOCTYPE html><meta charset="utf-8">
<body style="margin:0;display:flex;gap:{gap}px;align-items:flex-start;background:#888">{frames}
<script>
addEventListener("load", () => {{
  const frames = [...document.querySelectorAll("iframe")];
  for (const frame of frames) frame.height = frame.contentDocument.documentElement.scrollHeight + 2;
  const wide = frames.map(frame => frame.contentDocument.documentElement.scrollWidth);
  document.body.dataset.size = Math.max(...frames.map(frame => frame.height)) + ":" + wide.join(":");
}});
</script>"""


def page(name: str) -> str:
    """Return a page as HTML."""
    path = FOLDER / f"{name}.html"
    if name == "hard":
        HARD.save(path)
    elif code := run([*shlex.split(COMMANDS[name]), "-o", str(path), "-q"]):
        sys.exit(f"look: {name} ended with {code}: lossctl {COMMANDS[name]}")
    return path.read_text("utf-8")


def browse(browser: str, theme: str, sheet: Path, *words: str) -> str:
    """Run the browser on a sheet and return what it prints."""
    with tempfile.TemporaryDirectory() as profile:
        command = [browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", *words]
        command += [
            f"--user-data-dir={profile}",
            f"--blink-settings=preferredColorScheme={THEMES[theme]}",
            sheet.as_uri(),
        ]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


def look(browser: str, name: str) -> list[str]:
    """Write the pictures of a page; return at which widths it is wider than its window."""
    content = escape(page(name))
    sheet = FOLDER / "sheet.html"
    frames = (f'<iframe srcdoc="{content}" width="{width}" style="border:0;flex:none"></iframe>' for width in WIDTHS)
    sheet.write_text(SHEET.format(gap=GAP, frames="".join(frames)), "utf-8")
    breaches = []
    for theme in THEMES:
        match = re.search(r'data-size="([\d:]+)"', browse(browser, theme, sheet, "--dump-dom"))
        if match is None:
            sys.exit(f"look: {browser} did not draw {sheet}")
        height, *wide = map(int, match[1].split(":"))
        size = f"--window-size={sum(WIDTHS) + GAP * (len(WIDTHS) - 1)},{height}"
        browse(browser, theme, sheet, size, f"--screenshot={FOLDER / f'{name}-{theme}.png'}")
        breaches += [f"{name} at {width}" for width, needs in zip(WIDTHS, wide, strict=True) if needs > width]
    print(f"{name}: {height} px high" + "".join(f"; {breach} is too wide" for breach in breaches), flush=True)
    return breaches


def main() -> int:
    """Look at the pages that are named, or at all."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        sys.exit(f"look: needs one of {', '.join(BROWSERS)}, as in `apt-get install chromium`")
    FOLDER.mkdir(exist_ok=True)
    names = sys.argv[1:] or [name for name, text in COMMANDS.items() if text.split()[0] in HOMES] + ["hard"]
    breaches = [look(browser, name) for name in names]
    return 1 if any(breaches) else 0


if __name__ == "__main__":
    sys.exit(main())
