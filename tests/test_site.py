"""The documentation as a site, and the pictures of the gallery."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import twopass

ROOT = Path(__file__).parent.parent
GALLERY = ROOT / "docs" / "gallery.md"


class Links(HTMLParser):
    """Where a page leads, what it loads, and the places in it."""

    def __init__(self) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.places: set[str] = set()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        for name, value in attributes:
            if name in ("href", "src") and value:
                self.links.add(value)
            elif name == "id" and value:
                self.places.add(value)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if importlib.util.find_spec("mkdocs") is None or importlib.util.find_spec("material") is None:
        pytest.skip("mkdocs is not installed: pip install '.[docs]' builds the site")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_every_page_is_there_and_in_the_navigation(site: Path) -> None:
    home = (site / "index.html").read_text()
    for path in (ROOT / "docs").glob("*.md"):
        assert (site / path.stem / "index.html").is_file()
        assert f'href="{path.stem}/"' in home, f"{path.name} is not in the navigation"


def test_every_link_leads_somewhere_in_the_site(site: Path) -> None:
    pages = {}
    for path in site.rglob("*.html"):
        pages[path.resolve()] = links = Links()
        links.feed(path.read_text())
    broken = []
    for page, found in pages.items():
        for link in found.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc or not (parts.path or parts.fragment) or page.name == "404.html":
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            target = target / "index.html" if target.is_dir() else target
            place = unquote(parts.fragment)
            if not target.exists() or (place and target in pages and place not in pages[target].places):
                broken.append(f"{page.relative_to(site.resolve())}: {link}")
    assert not broken


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    loaded = re.compile(r'<(?:script|img|link)\b[^>]*(?:src|href)="(https?:)?//[^"]*"[^>]*>')
    for path in site.rglob("*.html"):
        assert [match[0] for match in loaded.finditer(path.read_text()) if "canonical" not in match[0]] == []


def test_the_reference_has_every_public_name(site: Path) -> None:
    page = (site / "reference" / "twopass" / "index.html").read_text()
    for name in twopass.__all__:
        assert name in page, name
    assert "decision_boundary" in (site / "reference" / "plot" / "index.html").read_text()


def test_the_gallery_shows_the_pictures_that_there_are() -> None:
    """Its code is run by test_docs; docs/figures/gallery/draw.py runs the same code to draw them."""
    shown = re.findall(r"!\[[^]]+\]\(figures/gallery/([\w-]+\.png)\)", GALLERY.read_text())
    files = {path.name: path.stat().st_size for path in (ROOT / "docs" / "figures" / "gallery").glob("*.png")}
    assert sorted(shown) == sorted(files) and len(set(shown)) == len(shown)
    assert all(1000 < size < 60_000 for size in files.values())


def test_the_gallery_shows_every_example() -> None:
    others = {"common", "parity"}  # what the former share, and one more of them
    for path in (ROOT / "examples").glob("*.py"):
        assert path.stem in others or f"examples/{path.name}" in GALLERY.read_text(), path.name
