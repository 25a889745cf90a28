"""Columns of many categories, for embeddings."""

from __future__ import annotations

import numpy as np
import pytest

from twopass.data import Encoder, Group, Table, TableFile, Vocabulary, prepare

SHOP = Vocabulary("shop", ("b", "a", "7"), indicator=True, others=("once",))


def test_numbers_of_categories() -> None:
    table = Table({"shop": np.array(["a", "b", "once", "new", "", "7.0"])}, "toys.csv")
    assert SHOP.inputs(table)[:, 0].tolist() == [1, 0, 3, 3, 4, 2]
    assert SHOP.inputs(table).dtype == np.float32
    assert SHOP.unknown(table).tolist() == [False, False, False, True, False, False]
    assert Vocabulary("shop", ("a",)).unknown(table).tolist() == [False, True, True, True, True, True]
    assert (SHOP.size, SHOP.n_categories, SHOP.units) == (1, 5, 2)
    assert SHOP.describe() == "a vector of 2 for each of 3 categories, 1 rare ones together"
    assert SHOP.inputs(Table({"shop": np.array([], str)}, "none.csv")).shape == (0, 1)


def test_it_is_data() -> None:
    table = Table({"shop": np.array(["a", "b"]), "y": np.array([1.0, 2.0])}, "toys.csv")
    encoder = Encoder((SHOP,), Encoder.fit(table, "y", "regression").target)
    assert Encoder.from_config(encoder.config()) == encoder


@pytest.mark.parametrize(("embed", "kind"), [(None, Group), (39, Vocabulary), (40, Group)])
def test_many_categories_are_embedded_if_it_is_asked_for(embed: int | None, kind: type) -> None:
    rng = np.random.default_rng(0)
    shop = np.array([f"shop {number}" for number in np.concatenate([np.arange(40).repeat(20), [99, 98]])])
    table = Table({"shop": shop, "y": rng.normal(size=len(shop))}, "toys.csv")
    (feature,) = prepare(TableFile(table), "y", test=0.01, embed=embed).encoder.features
    assert type(feature) is kind
    assert isinstance(feature, Group | Vocabulary)
    assert len(feature.known) == 40 and set(feature.others) <= {"shop 98", "shop 99"}
