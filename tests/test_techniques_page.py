"""docs/techniques.md and docs/derivatives.md show figures and numbers that are true."""

from __future__ import annotations

import importlib.util
import itertools
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"
PAGES = [DOCS / "techniques.md", DOCS / "derivatives.md"]
SCRIPT = DOCS / "figures" / "techniques" / "draw.py"


@pytest.fixture(scope="module")
def draw():
    spec = importlib.util.spec_from_file_location("draw_techniques", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        assert (DOCS / target).exists(), target


def test_the_figures_are_those_of_the_script_and_small(draw):
    files = {path.stem: path for path in SCRIPT.parent.glob("*.png")}
    assert files.keys() == draw.FIGURES.keys()
    for path in files.values():
        assert f"figures/techniques/{path.name}" in PAGES[0].read_text()
        assert path.stat().st_size < 40_000


def test_formulas_swell_and_reverse_mode_does_not(draw):
    found = draw.swelling()
    last = {name: counts[-1] for name, counts in found.items()}
    text = " ".join(PAGES[0].read_text().split())
    told = re.findall(r"\d[\d,]*\d", text[text.index("At 8 levels") :])[:4]
    numbers = [last["f"], last["reverse"], last["formula"], last["shared"]]
    assert [int(number.replace(",", "")) for number in told] == numbers
    assert len({later - earlier for earlier, later in itertools.pairwise(found["reverse"])}) == 1
    assert last["reverse"] < 3 * last["f"]
