"""docs/backpropagation.md names files, functions and figures that exist, and quotes its statement whole."""

from __future__ import annotations

import ast
import importlib.util
import re
from pathlib import Path

import matplotlib
import pytest

import twopass as tp

PAGE = Path(__file__).parent.parent / "docs" / "backpropagation.md"
TEXT = PAGE.read_text()
LINKS = re.findall(r"\[([^]]*)\]\(([^)\s]+)\)", TEXT)
FIGURES = sorted({target for _, target in LINKS if target.endswith(".png")})


def defined(path: Path) -> set[str]:
    """Functions, classes and methods of a source file, methods as ``Class.method``."""
    body = ast.parse(path.read_text()).body
    names = {node.name for node in body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    for owner in (node for node in body if isinstance(node, ast.ClassDef)):
        names |= {f"{owner.name}.{node.name}" for node in owner.body if isinstance(node, ast.FunctionDef)}
    return names


def test_every_link_leads_somewhere():
    for _, target in LINKS:
        assert (PAGE.parent / target).exists(), target


@pytest.mark.parametrize(
    ("label", "target"), sorted({(label, target) for label, target in LINKS if target.startswith("../src/")})
)
def test_every_function_is_in_the_file_that_it_links_to(label, target):
    name, path = label.strip("`"), PAGE.parent / target
    assert name == path.name or name in defined(path)


def test_every_name_of_the_library_exists():
    for name in set(re.findall(r"\btp((?:\.\w+)+)", TEXT)):
        found = tp
        for part in name[1:].split("."):
            found = getattr(found, part)


def test_each_sentence_of_the_statement_has_a_section():
    quotes = [
        " ".join(line.removeprefix(">").strip() for line in quote.splitlines())
        for quote in re.findall(r"(?:^> .*\n)+", TEXT, re.MULTILINE)
    ]
    statement, *sentences = quotes
    assert " ".join(sentences) == statement and len(sentences) == 6


@pytest.mark.parametrize("figure", FIGURES)
def test_figures_are_small(figure):
    assert (PAGE.parent / figure).stat().st_size < 60_000


def test_the_script_draws_the_figures_that_the_page_shows(tmp_path):
    matplotlib.use("Agg")
    spec = importlib.util.spec_from_file_location("draw", PAGE.parent / "figures" / "draw.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    script.main(tmp_path)
    drawn = {path.name for path in tmp_path.iterdir()}
    assert drawn == {Path(figure).name for figure in FIGURES}
    assert drawn == {path.name for path in (PAGE.parent / "figures").glob("*.png")}
    assert all(path.stat().st_size > 1000 for path in tmp_path.iterdir())
