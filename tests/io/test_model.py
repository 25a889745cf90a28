from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from twopass.errors import ArgumentError, ModelError
from twopass.io import load_model, save_model

DTYPES = [np.float16, np.float32, np.float64, np.int8, np.int64, np.uint8, np.uint64, np.bool_]
OLD, NEW = ({"weight": np.full(3, fill, np.float32)} for fill in (1, 2))


@settings(max_examples=40)  # each waits for the disk
@given(st.data())
def test_load_gives_back_what_was_saved(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    shapes = arrays.array_shapes(min_dims=0, min_side=0, max_dims=3)
    one = st.sampled_from(DTYPES).flatmap(lambda dtype: arrays.arrays(dtype, shapes))
    tensors = data.draw(
        st.dictionaries(st.text(max_size=5).filter(lambda name: name != "__metadata__"), one, max_size=3)
    )
    folder = tmp_path_factory.mktemp("models") / "model"
    save_model(folder, tensors, {"nested": {"list": [1, 2.5, None, "ä"]}})
    again, config = load_model(folder)
    assert again.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert (again[name].dtype, again[name].shape) == (tensor.dtype, tensor.shape)
        assert again[name].tobytes() == tensor.tobytes()
    assert config == {"nested": {"list": [1, 2.5, None, "ä"]}}


def test_the_layout_in_memory_does_not_matter(tmp_path: Path) -> None:
    table = np.arange(12.0).reshape(3, 4)
    tensors = {"transposed": table.T, "strided": table[::2, ::-1], "big-endian": table.astype(">f8")}
    save_model(tmp_path / "model", tensors, {})
    again = load_model(tmp_path / "model").tensors
    assert all(np.array_equal(again[name], tensor) for name, tensor in tensors.items())


def test_a_new_model_replaces_the_old_one_and_its_leftovers(tmp_path: Path) -> None:
    save_model(tmp_path, OLD, {"version": 1})
    (tmp_path / ".weights-0123456789abcdef.safetensors.12ab34cd.partial").touch()
    save_model(tmp_path, NEW, {"version": 2})
    assert load_model(tmp_path).config == {"version": 2}
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json", ".safetensors"]


def test_the_same_weights_with_another_config(tmp_path: Path) -> None:
    save_model(tmp_path, OLD, {"version": 1})
    save_model(tmp_path, OLD, {"version": 2})
    assert load_model(tmp_path).config == {"version": 2}


class Killed(BaseException):
    """Stands for the end of the process."""


def test_an_end_at_any_system_call_leaves_the_old_model_or_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every call that changes the disk is made the last one, in turn."""
    outcomes = set()
    calls_left = 0

    def dying(real):
        def call(*arguments, **options):
            nonlocal calls_left
            calls_left -= 1
            if calls_left < 0:
                raise Killed
            return real(*arguments, **options)

        return call

    for last_call in range(100):
        save_model(tmp_path, OLD, {"fill": 1})
        with monkeypatch.context() as patch:
            for module, name in [(os, "fsync"), (os, "replace"), (os, "open"), (Path, "open"), (Path, "unlink")]:
                patch.setattr(module, name, dying(getattr(module, name)))
            calls_left = last_call
            try:
                save_model(tmp_path, NEW, {"fill": 2})
                completed = True
            except Killed:
                completed = False
        tensors, config = load_model(tmp_path)
        assert tensors["weight"].tolist() == [config["fill"]] * 3
        outcomes.add((completed, config["fill"]))
        if completed:
            break
    assert outcomes == {(False, 1), (False, 2), (True, 2)}


SAVE_FOR_EVER = """
import itertools, sys
import numpy as np
from twopass.io import load_model, save_model

folder = sys.argv[1]
try:
    start = load_model(folder).config["version"] + 1
except ValueError:
    start = 0
for version in itertools.count(start):
    save_model(folder, {"weight": np.full(20_000, version, np.int64)}, {"version": version})
    print(version, flush=True)
"""


def test_sigkill_leaves_the_old_model_or_the_new_one(tmp_path: Path, environment: dict[str, str]) -> None:
    chance = random.Random(0)
    for _ in range(8):
        command = [sys.executable, "-c", SAVE_FOR_EVER, str(tmp_path / "model")]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as saver:
            first = saver.stdout.readline()
            time.sleep(chance.uniform(0, 0.03))
            saver.send_signal(signal.SIGKILL)
            announced = [first, *saver.stdout.read().splitlines()]
        tensors, config = load_model(tmp_path / "model")
        assert np.unique(tensors["weight"]).tolist() == [config["version"]]
        assert config["version"] - int(announced[-1]) in (0, 1)


def test_a_reader_never_sees_a_broken_model(tmp_path: Path, environment: dict[str, str]) -> None:
    save_model(tmp_path / "model", {"weight": np.full(20_000, 0, np.int64)}, {"version": 0})
    command = [sys.executable, "-c", SAVE_FOR_EVER, str(tmp_path / "model")]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as saver:
        saver.stdout.readline()
        seen = set()
        for _ in range(100):
            tensors, config = load_model(tmp_path / "model")
            assert np.unique(tensors["weight"]).tolist() == [config["version"]]
            seen.add(config["version"])
        saver.kill()
    assert len(seen) > 1


def test_other_files_are_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("three years of work")
    with pytest.raises(ModelError, match=r"holds other things than a model .*There is thesis\.tex"):
        save_model(tmp_path, NEW, {})
    (tmp_path / "thesis.tex").unlink()
    (tmp_path / "model.json").write_text('{"format": "of another program"}')
    with pytest.raises(ModelError, match=r"model\.json is not one of twopass"):
        save_model(tmp_path, NEW, {})
    assert [path.name for path in tmp_path.iterdir()] == ["model.json"]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "model"):
        with pytest.raises(ModelError, match=r"file is a file, not a folder \(at .*Choose another folder"):
            save_model(folder, NEW, {})


def test_a_disk_that_is_full_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(ModelError, match=r"the model cannot be written: No space left on device \(at "):
        save_model(tmp_path / "model", NEW, {})


@pytest.mark.parametrize("tensor", [np.zeros(2, complex), np.array(["a"]), np.array([None]), [1.0], 3.0])
def test_what_is_no_tensor_is_refused_before_anything_is_written(tmp_path: Path, tensor: object) -> None:
    with pytest.raises(ArgumentError, match="the tensor 'w' is of the kind"):
        save_model(tmp_path / "model", {"w": tensor}, {})
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("value", [float("nan"), {1, 2}, np.float32(1)])
def test_what_is_no_json_is_refused_before_anything_is_written(tmp_path: Path, value: object) -> None:
    with pytest.raises(ArgumentError, match="the config cannot be written as JSON"):
        save_model(tmp_path / "model", NEW, {"value": value})
    assert not (tmp_path / "model").exists()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    save_model(tmp_path / "model", NEW, {"layers": []})
    return tmp_path / "model"


def weights(model: Path) -> Path:
    return next(model.glob("*.safetensors"))


def edit(model: Path, **changes: object) -> None:
    content = json.loads((model / "model.json").read_text())
    (model / "model.json").write_text(json.dumps({**content, **changes}))


def test_missing_models_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no such folder"):
        load_model(tmp_path / "nowhere")
    with pytest.raises(ModelError, match=r"there is no model\.json"):
        load_model(tmp_path)


def test_missing_and_changed_weights_are_found(model: Path) -> None:
    content = bytearray(weights(model).read_bytes())
    content[-1] ^= 1
    weights(model).write_bytes(content)
    with pytest.raises(ModelError, match=r"the model is damaged.* The SHA-256 of the weights is not the one"):
        load_model(model)
    weights(model).unlink()
    with pytest.raises(ModelError, match=r"the model is damaged.* cannot be read: No such file"):
        load_model(model)


@pytest.mark.parametrize("text", ["", "{", "[1, 2", "\udcff"])
def test_a_manifest_that_is_no_json_is_damaged(model: Path, text: str) -> None:
    (model / "model.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ModelError, match=r"the model is damaged.* model\.json is not JSON"):
        load_model(model)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "other"}, "is not one of twopass"),
        ({"format_version": 2}, "format version 2, and this twopass reads up to 1.*pip install --upgrade"),
        ({"format_version": None}, "format version None"),
        ({"weights": {"file": "../../etc/passwd", "sha256": ""}}, "lacks the weights' name"),
        ({"weights": {"file": "weights-0123456789abcdef.safetensors"}}, "lacks the weights' name"),
        ({"weights": []}, "lacks the weights' name"),
        ({"config": 3}, "lacks the weights' name and SHA-256, or the config"),
    ],
)
def test_a_manifest_of_another_kind_is_refused(model: Path, changes: dict[str, object], message: str) -> None:
    edit(model, **changes)
    with pytest.raises(ModelError, match=message):
        load_model(model)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_as_weights_are_damaged(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    folder = tmp_path_factory.mktemp("models")
    save_model(folder, OLD, {})
    weights(folder).write_bytes(content)
    edit(folder, weights={"file": weights(folder).name, "sha256": hashlib.sha256(content).hexdigest()})
    with pytest.raises(ModelError, match="the model is damaged"):
        load_model(folder)
