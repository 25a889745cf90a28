"""From LLVM text to machine code that can be called.

Two steps, so that what the first makes can be kept on disk: `assemble` turns text into object files (bytes), `load`
makes them callable. No pass of LLVM's middle end runs in between: kernels are written as they should be
executed, and the optimizer took longer than it saved.

LLVM keeps types and constants for as long as a context lives; each module gets a context of its own, so that compiling
again and again takes no memory.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from twopass.backends.llvm.target import Target

__all__ = ["Code", "assemble", "load", "version"]


@functools.cache
def _binding() -> Any:
    """llvmlite, ready to make and run code for this machine; imported when something is compiled."""
    import llvmlite.binding as binding

    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    return binding


@functools.cache
def version() -> str:
    """Of llvmlite and of LLVM: object code of another one is not used."""
    import llvmlite

    return f"llvmlite {llvmlite.__version__}, LLVM {'.'.join(map(str, _binding().llvm_version_info))}"


@functools.lru_cache(maxsize=8)
def _machine(target: Target, level: int) -> Any:
    """LLVM's code generator for a target; one serves all modules."""
    return target.llvm(jit=True, level=level)


def assemble(text: str | Mapping[int, str], target: Target, *, level: int = 2, verify: bool = __debug__) -> bytes:
    """The object code of a module, or of several modules that call each other.

    Parameters
    ----------
    text : str or mapping of int to str
        The module, in LLVM's language; or modules, each by its own level.
    target : Target
        What code is generated for.
    level : int
        How hard code generation tries: 0 is several times faster to make and several times slower to run.
    verify : bool
        Whether LLVM checks modules first, which costs little; ``python -O`` leaves it out.

    Raises
    ------
    RuntimeError
        If the text is not valid: an error in this package.
    """
    modules = {level: text} if isinstance(text, str) else text
    return _packed(_object(module, target, level, verify) for level, module in modules.items())


def _object(text: str, target: Target, level: int, verify: bool) -> bytes:
    """The object file of a module."""
    binding = _binding()
    context = binding.create_context()
    module = binding.parse_assembly(text, context)
    try:
        if verify:
            module.verify()
        code: bytes = _machine(target, level).emit_object(module)
    finally:
        # The module must go before its context does.
        module.close()
        context.close()
    return code


def _packed(files: Iterable[bytes]) -> bytes:
    """Object files in a row, each after its length."""
    return b"".join(len(file).to_bytes(8, "little") + file for file in files)


def _unpacked(code: bytes) -> Iterator[bytes]:
    """The object files of `_packed`."""
    while code:
        end = 8 + int.from_bytes(code[:8], "little")
        yield code[8:end]
        code = code[end:]


class Code:
    """Machine code in memory, which is freed with this object."""

    def __init__(self, engine: Any, size: int) -> None:
        self._engine = engine
        #: Bytes of the object files.
        self.size = size

    def address(self, name: str) -> int:
        """Where a function starts."""
        found: int = self._engine.get_function_address(name)
        if not found:
            raise LookupError(f"no function named {name!r} in this code")
        return found

    def keep(self) -> None:
        """Never free it: threads stay in it until the process ends."""
        self._engine.detach()


def load(code: bytes, target: Target, symbols: dict[str, int] | None = None) -> Code:
    """Make object code callable.

    Parameters
    ----------
    code : bytes
        What `assemble` gave.
    target : Target
        What it was generated for.
    symbols : dict of str to int
        Addresses of functions that it calls, besides those of the C library.
    """
    binding = _binding()
    for name, address in (symbols or {}).items():
        binding.add_symbol(name, address)
    # The engine wants a module (an empty one) and a machine of its own.
    empty = binding.parse_assembly("", binding.create_context())
    engine = binding.create_mcjit_compiler(empty, target.llvm(jit=True))
    for file in _unpacked(code):
        engine.add_object_file(binding.ObjectFileRef.from_data(file))
    engine.finalize_object()
    return Code(engine, len(code))
