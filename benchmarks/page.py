"""docs/benchmarks.md: the tables between its markers, and the machine they were measured on."""

from __future__ import annotations

import datetime
import os
import platform
from collections.abc import Sequence
from pathlib import Path

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"


def replaced(page: str, section: str, text: str) -> str:
    """The page with other text between ``<!-- section:begin -->`` and ``<!-- section:end -->``."""
    begin, end = f"<!-- {section}:begin -->", f"<!-- {section}:end -->"
    before, _, rest = page.partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise ValueError(f"the page has no {begin} followed by {end}")
    return f"{before}{begin}\n\n{text}\n\n{end}{after}"


def write(section: str, text: str) -> None:
    """Put the text into the page."""
    PAGE.write_text(replaced(PAGE.read_text(), section, text))


def _processor() -> str:
    """The model of the processor, and its family where the model says little."""
    path = Path("/proc/cpuinfo")
    if not path.exists():
        return platform.processor() or platform.machine()
    fields = dict(line.split("\t", 1) for line in path.read_text().split("\n\n")[0].splitlines() if "\t" in line)
    clean = {key.strip(): value.strip(" :\t") for key, value in fields.items()}
    vectors = [name for name in ("avx512f", "avx2", "asimd") if name in clean.get("flags", clean.get("Features", ""))]
    family = f"family {clean['cpu family']} model {clean['model']}" if "cpu family" in clean else ""
    return ", ".join(filter(None, [clean.get("model name", platform.machine()), family, *vectors[:1]]))


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def machine(versions: Sequence[str]) -> str:
    """What the numbers depend on besides twopass."""
    parts = [_processor(), f"{cores()} cores", platform.system(), f"Python {platform.python_version()}", *versions]
    return f"{', '.join(parts)}; {datetime.date.today().isoformat()}."


def load_note() -> str:
    """A warning when other programs are running, else nothing."""
    busy = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return f"Other programs keep {busy:.1f} cores busy: the numbers are worse than they should be." * (busy > 0.5)
