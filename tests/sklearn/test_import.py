"""What the import of the estimators needs."""

from __future__ import annotations


def test_a_missing_library_is_named(run_python):
    program = """
import sys
sys.modules["sklearn"] = None
try:
    import twopass.sklearn
except ImportError as error:
    print(error)
"""
    assert "Type pip install 'twopass[sklearn]'." in run_python(program)
