"""What mkdocs does not know by itself: pages outside of docs/, the reference, and the sources that pages link to.

On GitHub, README.md and docs/*.md link to one another and to files of the checkout. Here those links are led to the
site's own pages: a source file becomes a page that shows it, a folder a page that lists it. So nothing has to be
written twice, and a link to what is not there fails the build.
"""

from __future__ import annotations

import importlib
import inspect
import posixpath
import re
from pathlib import Path
from typing import Any

import griffe
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]

#: Pages in the navigation; what is in docs/ and not here comes last.
SECTIONS = {
    "Learn": ["backpropagation", "techniques", "gallery"],
    "Differentiate": [
        "derivatives",
        "kinks",
        "aliasing",
        "special",
        "decompositions",
        "vmap",
        "edges",
        "debugging",
        "coverage",
    ],
    "Train": ["estimators", "tables", "ecosystem", "model-format"],
    "Compile": ["compiler", "benchmarks"],
    "Inside": ["architecture"],
}
#: Pages at the root of the checkout, by their place in the site.
OUTSIDE = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
#: Modules of the reference; the functions of the package itself come first.
MODULES = [
    *("nn", "nn.activations", "nn.initializers", "nn.losses", "nn.metrics", "optim", "optim.schedules", "train"),
    *("sklearn", "data", "plot", "io", "special", "stats", "tree", "errors"),
]

_LINK = re.compile(r"(?<=\]\()([^)#\s]+)(?=(?:#[^)\s]*)?\))")
_SESSION = re.compile(r"^>>> .*(?:\n.+)*", re.MULTILINE)
_FENCE = re.compile(r"^(`{3,}|~{3,}).*?^\1\s*$", re.MULTILINE | re.DOTALL)


class SignatureDefaults(griffe.Extension):
    """Defaults of parameters are those of the signature; griffe takes the first of ``{"adam", "sgd"}`` for it."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Correct what the docstrings of a package are read as."""
        self._correct(pkg)

    def _correct(self, found: Any) -> None:
        parameters = getattr(found, "parameters", ())
        for section in found.docstring.parsed if found.docstring else ():
            if section.kind is griffe.DocstringSectionKind.parameters:
                for described in section.value:
                    if described.name in parameters:
                        described.value = parameters[described.name].default
        for member in found.members.values():
            if not member.is_alias and (member.is_module or member.is_class or member.is_function):
                self._correct(member)


def on_config(config: Any) -> Any:
    """Put the pages that there are into the navigation."""
    left = sorted(path.stem for path in (ROOT / "docs").glob("*.md"))
    nav: list[Any] = [{"Overview": "index.md"}]
    for title, names in SECTIONS.items():
        present = [name for name in names if name in left]
        left = [name for name in left if name not in present]
        if present:
            nav.append({title: [f"{name}.md" for name in present]})
    nav.append({"Reference": [{name: f"reference/{name}.md"} for name in ("twopass", *_modules())]})
    nav.append({"Project": ["changelog.md", "contributing.md", *(f"{name}.md" for name in left)]})
    config.nav = nav
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that are not in docs/."""

    def add(place: str, content: str) -> None:
        files.append(File.generated(config, place, content=content))

    for name, place in OUTSIDE.items():
        add(place, (ROOT / name).read_text())
    add("reference/twopass.md", _reference("twopass"))
    for name in _modules():
        add(f"reference/{name}.md", _reference(f"twopass.{name}"))
    pages = [*map(ROOT.joinpath, OUTSIDE), *sorted((ROOT / "docs").rglob("*.md"))]
    linked = {target for page in pages for target in _targets(page)}
    for target in sorted(linked):
        if _place(target).startswith("source/"):
            add(_place(target), _source(target))
        if target.is_dir():
            for path in sorted(target.glob("*.py")):
                if path not in linked:
                    add(_place(path), _source(path))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Lead links to files of the checkout to the pages that show them."""
    source = next((ROOT / name for name, place in OUTSIDE.items() if place == page.file.src_uri), None)
    if source is None:
        source = ROOT / "docs" / page.file.src_uri
    folder = posixpath.dirname(page.file.src_uri)

    def led(match: re.Match[str]) -> str:
        target = _target(source, match[1])
        return match[1] if target is None else posixpath.relpath(_place(target), folder or ".")

    return "".join(part if code else _LINK.sub(led, part) for part, code in _parts(markdown))


def on_page_content(content: str, page: Any, config: Any, files: Files) -> str:
    """Docstrings announce literal blocks with two colons."""
    return content.replace("::</p>", ":</p>") if page.file.src_uri.startswith("reference/") else content


def _modules() -> list[str]:
    """The modules of the reference that there are."""
    return [name for name in MODULES if _exists(ROOT.joinpath("src", "twopass", *name.split(".")))]


def _exists(path: Path) -> bool:
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def _parts(markdown: str) -> list[tuple[str, bool]]:
    """A page in parts, and which of them are blocks of code."""
    parts, end = [], 0
    for match in _FENCE.finditer(markdown):
        parts += [(markdown[end : match.start()], False), (match[0], True)]
        end = match.end()
    return [*parts, (markdown[end:], False)]


def _target(page: Path, link: str) -> Path | None:
    """The file of the checkout that a page links to, if it is one."""
    target = (page.parent / link).resolve()
    return target if target.exists() and target.is_relative_to(ROOT) else None


def _targets(page: Path) -> list[Path]:
    text = "".join(part for part, code in _parts(page.read_text()) if not code)
    return [target for link in _LINK.findall(text) if (target := _target(page, link)) is not None]


def _place(target: Path) -> str:
    """Where the site has a file or folder of the checkout."""
    path = target.relative_to(ROOT).as_posix()
    if path in OUTSIDE:
        return OUTSIDE[path]
    if path.startswith("docs/") and target.suffix != ".py":
        return path.removeprefix("docs/")
    return f"source/{path}/index.md" if target.is_dir() else f"source/{path}.md"


def _source(target: Path) -> str:
    """The page that shows a file, or lists a folder."""
    title = f"# {target.relative_to(ROOT).as_posix()}\n\n"
    if target.is_dir():
        return title + "".join(f"- [{path.name}]({path.name}.md)\n" for path in sorted(target.glob("*.py")))
    return f"{title}~~~~~{target.suffix.removeprefix('.')}\n{target.read_text()}\n~~~~~\n"


def _reference(module_name: str) -> str:
    """The page of a module: what it says of itself, then its public functions and classes.

    What several modules export is described once, on the page of the last of them.
    """
    owners = {id(value): name for name, value in _everything()}
    module = importlib.import_module(module_name)
    described, listed = [], []
    for name in sorted(module.__all__, key=str.lower):
        value = getattr(module, name)
        owner = owners[id(value)]
        if inspect.ismodule(value):
            continue
        if owner != module_name:
            listed.append(f"| [`{name}`]({owner.partition('.')[2]}.md) | {_summary(value)} |")
        elif inspect.isclass(value) or inspect.isfunction(value):
            described.append(
                f"::: {value.__module__}.{value.__qualname__}\n    options:\n      heading: {module_name}.{name}"
            )
        else:
            listed.append(f"| `{name}` | {_summary(value)} |")
    table = "\n".join(["| name | |", "|---|---|", *listed]) if listed else ""
    itself = _SESSION.sub(r"```python\n\g<0>\n```", inspect.getdoc(module) or "").replace("::\n", ":\n")
    return "\n\n".join([f"# {module_name}", itself, table, *described]) + "\n"


def _everything() -> list[tuple[str, Any]]:
    """Every public object with the module that exports it."""
    modules = ["twopass", *(f"twopass.{name}" for name in _modules())]
    found = [(name, importlib.import_module(name)) for name in modules]
    return [(name, getattr(module, item)) for name, module in found for item in module.__all__]


def _summary(value: Any) -> str:
    """The first line of a docstring; of a value, only one of its own class."""
    kind = value if inspect.isclass(value) or inspect.isfunction(value) else type(value)
    return "" if kind.__module__ == "builtins" else (inspect.getdoc(value) or "").partition("\n")[0]
