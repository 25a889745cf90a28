"""Event files, read by a decoder that shares nothing with the writer; and by TensorBoard where it is installed."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from train.problems import classifier, two_moons
from twopass.train import TensorBoardLog
from twopass.train.callbacks.tensorboard import framed, masked_crc


def crc32c(data: bytes) -> int:
    """Bit by bit, as the polynomial division is defined."""
    remainder = 0xFFFFFFFF
    for byte in data:
        remainder ^= byte
        for _ in range(8):
            remainder = (remainder >> 1) ^ (0x82F63B78 * (remainder & 1))
    return remainder ^ 0xFFFFFFFF


def unmasked(masked: int) -> int:
    rotated = (masked - 0xA282EAD8) % 2**32
    return ((rotated >> 17) | (rotated << 15)) % 2**32


def records(content: bytes) -> Iterator[bytes]:
    place = 0
    while place < len(content):
        (length,) = struct.unpack_from("<Q", content, place)
        assert unmasked(struct.unpack_from("<I", content, place + 8)[0]) == crc32c(content[place : place + 8])
        data = content[place + 12 : place + 12 + length]
        assert unmasked(struct.unpack_from("<I", content, place + 12 + length)[0]) == crc32c(data)
        yield data
        place += 16 + length


def message(data: bytes) -> list[tuple[int, Any]]:
    """The fields of a protocol buffer: numbers and raw values."""
    fields, place = [], 0

    def varint() -> int:
        nonlocal place
        number = shift = 0
        while True:
            byte = data[place]
            place += 1
            number |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return number

    while place < len(data):
        tag = varint()
        kind = tag & 7
        if kind == 0:
            fields.append((tag >> 3, varint()))
            continue
        size = {1: 8, 5: 4}.get(kind) or varint()
        fields.append((tag >> 3, data[place : place + size]))
        place += size
    return fields


def test_the_checksum_is_castagnolis() -> None:
    assert crc32c(b"123456789") == 0xE3069283  # RFC 3720, and every catalogue of checksums
    for data in (b"", b"123456789", bytes(32), bytes(range(256))):
        assert unmasked(masked_crc(data)) == crc32c(data)
    assert list(records(framed(b"abc") + framed(b""))) == [b"abc", b""]


def fit(folder: Path) -> Any:
    trainer = classifier()
    trainer.fit(*two_moons(), epochs=2, validation_split=0.2, callbacks=[TensorBoardLog(folder)])
    return trainer.history


def test_an_independent_decoder_reads_the_history(tmp_path: Path) -> None:
    history = fit(tmp_path / "logs" / "run")
    (file,) = (tmp_path / "logs" / "run").iterdir()
    assert file.name.startswith("events.out.tfevents.")
    first, *events = (dict(message(record)) for record in records(file.read_bytes()))
    assert first[3] == b"brain.Event:2"
    assert [event[2] for event in events] == [1, 2]
    for number, event in enumerate(events):
        assert abs(struct.unpack("<d", event[1])[0] - time.time()) < 60
        values = [dict(message(value)) for field, value in message(event[5]) if field == 1]
        found = {value[1].decode(): struct.unpack("<f", value[2])[0] for value in values}
        assert found == {name: np.float32(series[number]) for name, series in history.items()}


def test_large_step_numbers(tmp_path: Path) -> None:
    trainer = classifier()
    trainer.epoch = 300
    trainer.fit(*two_moons(), callbacks=[TensorBoardLog(tmp_path)])
    (file,) = tmp_path.iterdir()
    assert dict(message(list(records(file.read_bytes()))[1]))[2] == 301


def test_tensorboard_reads_the_history(tmp_path: Path) -> None:
    reader = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="TensorBoard is not installed"
    )
    history = fit(tmp_path)
    events = reader.EventAccumulator(str(tmp_path))
    events.Reload()
    assert set(events.Tags()["scalars"]) == set(history)
    for name, values in history.items():
        assert [(event.step, event.value) for event in events.Scalars(name)] == [
            (number + 1, np.float32(value)) for number, value in enumerate(values)
        ]
