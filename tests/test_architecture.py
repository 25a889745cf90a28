"""The shape of the package: who imports whom, what is public, and what an import may cost."""

from __future__ import annotations

import ast
import configparser
import importlib
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

import twopass

PACKAGE = Path(twopass.__file__).parent

#: Libraries that only some users have, or that take long to import.
HEAVY = {
    *("llvmlite", "rich", "typer"),
    *(
        "matplotlib",
        "mlflow",
        "narwhals",
        "onnx",
        "optuna",
        "pandas",
        "polars",
        "scipy",
        "sklearn",
        "starlette",
        "sympy",
        "uvicorn",
    ),
    *("cupy", "mpi4py"),
    *("asyncio", "http.client", "tarfile", "urllib.request"),
}

#: Rooms whose functions users reach as `twopass.name`; their modules are not addresses to import from.
INNER_ROOMS = {"api", "backends", "core", "graph", "program", "rules"}


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def public_modules() -> list[Path]:
    """Source files that a user may import: outside the inner rooms, and no part of their name is private."""
    names = {path: module_name(path).split(".")[1:] for path in sorted(PACKAGE.rglob("*.py"))}
    return [
        path
        for path, parts in names.items()
        if not INNER_ROOMS & set(parts[:1]) and not any(part.startswith("_") for part in parts)
    ]


def exists(module: str) -> bool:
    path = PACKAGE.parent.joinpath(*module.split("."))
    return (path / "__init__.py").is_file() or path.with_suffix(".py").is_file()


def write_contracts(source: Path, target: Path) -> None:
    """Copy import-linter's settings, leaving out rooms that are not built yet: it refuses to check those."""
    settings = tomllib.loads(source.read_text())["tool"]["importlinter"]
    contracts = settings.pop("contracts")
    config = configparser.ConfigParser()
    config["importlinter"] = {key: str(value) for key, value in settings.items()}
    for contract in contracts:
        for key in {"source_modules", "forbidden_modules"} & contract.keys():
            contract[key] = [module for module in contract[key] if exists(module)]
        values = {key: "\n" + "\n".join(v) if isinstance(v, list) else str(v) for key, v in contract.items()}
        if all(contract.get(key, True) for key in ("source_modules", "forbidden_modules")):
            config[f"importlinter:contract:{values.pop('id')}"] = values
    with target.open("w") as file:
        config.write(file)


def test_imports_go_one_way(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("logging.config.dictConfig", lambda _: None)  # it would disable the loggers of twopass
    config = tmp_path / "contracts.ini"
    write_contracts(root / "pyproject.toml", config)
    status = lint_imports(config_filename=str(config), no_cache=True)
    assert status == 0, capsys.readouterr().out


@pytest.mark.parametrize("path", public_modules(), ids=module_name)
def test_all_is_the_public_surface(path: Path) -> None:
    body = ast.parse(path.read_text()).body
    module = importlib.import_module(module_name(path))
    assert hasattr(module, "__all__"), f"{module.__name__} has no __all__"
    exported = list(module.__all__)
    missing = [name for name in exported if not hasattr(module, name)]
    assert not missing, f"{module.__name__}.__all__ names what is not there: {missing}"
    assert len(set(exported)) == len(exported)
    definitions = [s.name for s in body if isinstance(s, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))]
    hidden = [name for name in definitions if not name.startswith("_") and name not in exported]
    assert not hidden, f"public in {module.__name__} but not in its __all__: {hidden} (or start them with _)"


def test_import_loads_no_heavy_library(run_python: Callable[..., str]) -> None:
    program = "import sys, twopass; print(*sorted(set(sys.argv[1:]) & set(sys.modules)))"
    assert run_python(program, *HEAVY).split() == []


GLOBAL_STATE = """
import gc, locale, os, random, signal, sys, threading, warnings
import numpy as np

def state():
    generator = np.random.get_state()
    subnormal = np.full(8, 1e-310) * np.full(8, 0.5)
    return {
        "errors": np.geterr(), "error callback": np.geterrcall(), "print options": np.get_printoptions(),
        "warnings": list(warnings.filters), "numpy generator": (generator[0], generator[1].tolist(), generator[2:]),
        "generator": random.getstate(), "denormals are kept": bool((subnormal > 0).all()),
        "environment": dict(os.environ), "threads": threading.active_count(), "path": list(sys.path),
        "interrupt": signal.getsignal(signal.SIGINT), "recursion": sys.getrecursionlimit(), "gc": gc.get_threshold(),
        "locale": locale.setlocale(locale.LC_ALL), "hooks": (sys.excepthook, sys.displayhook),
    }

before = state()
import twopass
after = state()
print(*[name for name in before if before[name] != after[name]], sep=", ")
"""


def test_import_changes_no_global_state(run_python: Callable[..., str]) -> None:
    assert run_python(GLOBAL_STATE).strip() == ""


def test_only_the_command_line_prints() -> None:
    """The library returns, raises, warns and logs; estimators with ``verbose=True`` print as scikit-learn's do."""
    calls = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for path in PACKAGE.rglob("*.py")
        if path.relative_to(PACKAGE).parts[0] not in ("cli", "sklearn")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert not calls
