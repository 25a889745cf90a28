"""Completion in shells: the script is produced and installed, and what it asks for is answered."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


def run(environment: dict[str, str], *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "twopass", *arguments]
    # What typer takes for the shell is the parent process; without this it would be that of the tests.
    variables = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1", **variables}
    return subprocess.run(command, env={**environment, **variables}, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("shell", "word"), [("bash", "complete -o"), ("zsh", "compdef"), ("fish", "complete --command")]
)
def test_the_script_is_shown(environment: dict[str, str], shell: str, word: str) -> None:
    done = run(environment, "--show-completion", shell)
    assert done.returncode == 0, done.stderr
    assert word in done.stdout and "_TWOPASS_COMPLETE" in done.stdout


def test_the_script_is_installed(environment: dict[str, str], tmp_path: Path) -> None:
    done = run(environment, "--install-completion", "bash", HOME=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "_TWOPASS_COMPLETE" in (tmp_path / ".bash_completions" / "twopass.sh").read_text()


@pytest.mark.parametrize(
    ("words", "expected"), [("twopass tr", ["train"]), ("twopass datasets --he", ["--help"]), ("twopass zz", [])]
)
def test_words_are_completed(environment: dict[str, str], words: str, expected: list[str]) -> None:
    count = str(len(words.split()) - 1)
    done = run(environment, _TWOPASS_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=count)
    assert done.stdout.split() == expected and done.stderr == ""
