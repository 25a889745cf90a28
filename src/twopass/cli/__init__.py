"""The command ``twopass``: parse, call, print; everything it does can be done from Python."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from twopass.errors import TwopassError

__all__ = ["main"]

_USAGE_ERROR = 2
_INTERRUPTED = 130  # 128 + SIGINT, what shells expect


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line, and exit: 0 for success, 2 for a mistake in the input, 130 for Ctrl-C.

    Parameters
    ----------
    arguments : sequence of str, optional
        What follows ``twopass``; the process' own arguments by default.
    """
    try:
        from twopass.cli.app import UsageError, app  # here, so that Ctrl-C during the import is quiet too

        try:
            status = app(args=arguments, prog_name="twopass", standalone_mode=False)
        except UsageError as error:
            status = _complain(error.format_message())
        except TwopassError as error:
            status = _complain(str(error))
    except KeyboardInterrupt:
        status = _INTERRUPTED
    if status == _INTERRUPTED:
        print("twopass: interrupted", file=sys.stderr)
    sys.exit(status)


def _complain(message: str) -> int:
    print(f"twopass: {message}", file=sys.stderr)
    return _USAGE_ERROR
