from __future__ import annotations

import hashlib

import numpy as np
import sklearn.datasets

from twopass.data import load_digits


def test_the_split_is_the_same_everywhere_and_for_ever() -> None:
    digits = load_digits()
    assert np.bincount(digits.y_test).tolist() == [36, 36, 36, 36, 37, 36, 36, 36, 35, 36]
    assert hashlib.sha256(digits.x_test.astype("<f4").tobytes()).hexdigest() == SHA256_OF_TEST_IMAGES


def test_images_and_labels_are_those_of_scikit_learn() -> None:
    digits, reference = load_digits(), sklearn.datasets.load_digits()
    ours = np.column_stack(
        [np.vstack([digits.x_train, digits.x_test]) * 16, np.hstack([digits.y_train, digits.y_test])]
    )
    theirs = np.column_stack([reference.data, reference.target])
    assert np.array_equal(np.unique(ours, axis=0), np.unique(theirs, axis=0))
    assert len(ours) == len(theirs)


def test_no_image_is_in_both_parts() -> None:
    digits = load_digits()
    train = {image.tobytes() for image in digits.x_train}
    assert not any(image.tobytes() in train for image in digits.x_test)


SHA256_OF_TEST_IMAGES = "9b03aeaf6d9209542f44454f7ddf9db019a8f1dacc971666eccd3df3cc8d9dbc"
