"""What README.md and docs/ show is what happens: their Python runs, their output is compared, their commands work.

The ```` ```python ```` blocks of a page share one namespace, in order. A block with ``>>>`` is a session whose output
is compared; any other block is a script. Lines ``$ twopass ...`` of ```` ```console ```` blocks must succeed.
"""

from __future__ import annotations

import doctest
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def blocks(page: Path, language: str) -> list[tuple[int, str]]:
    """Line number and text of each fenced block in a language."""
    source = page.read_text()
    found = [match for match in FENCE.finditer(source) if match["language"] == language]
    return [(source.count("\n", 0, match.start("text")) + 1, match["text"]) for match in found]


def run_session(text: str, namespace: dict[str, object], page: Path, line: int) -> None:
    example = doctest.DocTestParser().get_doctest(text, namespace, page.name, str(page), line - 1)
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=OPTIONS)
    failures = runner.run(example, out=report.append, clear_globs=False).failed
    namespace.update(example.globs)
    assert failures == 0, "".join(report)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_blocks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(ROOT / "examples")
    monkeypatch.setenv("MPLBACKEND", "agg")
    namespace: dict[str, object] = {"__name__": "__main__"}
    for line, text in blocks(page, "python"):
        if ">>>" in text:
            run_session(text, namespace, page, line)
        else:
            exec(compile("\n" * (line - 1) + text, str(page), "exec"), namespace)
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_succeed(page: Path, tmp_path: Path, environment: dict[str, str]) -> None:
    for line, text in blocks(page, "console"):
        for command in re.findall(r"^\$ twopass\b *(.*)$", text, re.MULTILINE):
            program = [sys.executable, "-m", "twopass", *shlex.split(command, comments=True)]
            done = subprocess.run(program, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
            assert done.returncode == 0, f"{page.name}:{line}: twopass {command}\n{done.stderr}"
