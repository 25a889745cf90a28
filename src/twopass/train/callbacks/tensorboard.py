"""TensorBoard's event files, written without TensorBoard.

A file is a sequence of records: length (uint64), masked CRC-32C of the length, data, masked CRC-32C of the data; all
little-endian (TensorFlow, ``core/lib/io/record_writer.h``). The data are protocol buffers (``event.proto``,
``summary.proto``)::

    message Event   { double wall_time = 1; int64 step = 2; string file_version = 3; Summary summary = 5; }
    message Summary { repeated Value value = 1; message Value { string tag = 1; float simple_value = 2; } }
"""

from __future__ import annotations

import functools
import math
import os
import platform
import struct
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from twopass.train.callbacks.base import Callback

if TYPE_CHECKING:
    from twopass.train.fitting import Run

__all__ = ["TensorBoardLog", "framed", "masked_crc"]

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # the wire types of protocol buffers


class TensorBoardLog(Callback):
    """Write the quantities of the history, one step an epoch, for ``tensorboard --logdir folder``.

    Each fit writes a file of its own; TensorBoard shows the files of one folder as one run.

    Parameters
    ----------
    folder : path
        Of the run; created when it does not exist.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self._file: Path | None = None

    def on_fit_begin(self, run: Run) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        name = f"events.out.tfevents.{time.time_ns() // 1000}.{platform.node() or 'localhost'}.{os.getpid()}"
        self._file = self.folder / name
        self._write(_event(0, _field(3, _BYTES, b"brain.Event:2")))

    def on_epoch_end(self, run: Run, record: Mapping[str, float]) -> None:
        self._write(_event(run.epoch, _field(5, _BYTES, _summary(record))))

    def _write(self, event: bytes) -> None:
        assert self._file is not None
        with self._file.open("ab") as file:
            file.write(framed(event))


def _event(step: int, content: bytes) -> bytes:
    return _field(1, _FIXED64, struct.pack("<d", time.time())) + _field(2, _VARINT, _varint(step)) + content


def _summary(record: Mapping[str, float]) -> bytes:
    values = b""
    for name, value in record.items():
        number = struct.pack("<f", value if abs(value) < 3.4e38 else math.copysign(math.inf, value))
        values += _field(1, _BYTES, _field(1, _BYTES, name.encode()) + _field(2, _FIXED32, number))
    return values


def _field(number: int, wire_type: int, content: bytes) -> bytes:
    """One field of a protocol buffer."""
    length = _varint(len(content)) if wire_type == _BYTES else b""
    return _varint(number << 3 | wire_type) + length + content


def _varint(number: int) -> bytes:
    """An integer from 0 in groups of seven bits, the lowest first."""
    groups = []
    while number > 127:
        groups.append(number & 127 | 128)
        number >>= 7
    return bytes([*groups, number])


def framed(data: bytes) -> bytes:
    """A record with its length and checksums."""
    length = struct.pack("<Q", len(data))
    return length + struct.pack("<I", masked_crc(length)) + data + struct.pack("<I", masked_crc(data))


def masked_crc(data: bytes) -> int:
    """CRC-32C (Castagnoli), rotated and shifted, so that the checksum of data with checksums stays meaningful."""
    table, crc = _crc_table(), 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 255]
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


@functools.cache
def _crc_table() -> tuple[int, ...]:
    """What one byte does to the remainder."""
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return tuple(table)
