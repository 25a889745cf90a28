"""The estimators beside scikit-learn's: the same network, epoch for epoch, and the same numbers around it."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import scipy.sparse
import sklearn.neural_network as peers
from sklearn.datasets import load_digits, make_multilabel_classification, make_regression
from sklearn.exceptions import ConvergenceWarning

from twopass import sklearn as ours
from twopass.sklearn import base, lbfgs
from twopass.sklearn.rows import SparseRows

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

ATTRIBUTES = ("n_iter_", "t_", "n_layers_", "n_outputs_", "out_activation_", "n_features_in_")
NUMBERS = ("loss_", "best_loss_", "loss_curve_", "validation_scores_", "best_validation_score_")


def digits(count=300, dtype=np.float64):
    x, y = load_digits(return_X_y=True)
    return (x[:count] / 16).astype(dtype), y[:count]


def numbers(targets=1, count=200):
    x, y = make_regression(count, 6, n_targets=targets, random_state=0)
    return x, y / 100


def distance(one, other):
    pairs = zip(one.coefs_ + one.intercepts_, other.coefs_ + other.intercepts_, strict=True)
    return max(np.abs(a - b).max() for a, b in pairs)


def both(name, x, y, sample_weight=None, **parameters):
    """Scikit-learn's estimator and ours, with equal parameters, fitted to equal data."""
    parameters = {"random_state": 0, "max_iter": 8, "hidden_layer_sizes": (12,), **parameters}
    found = []
    for room in (peers, ours):
        found.append(getattr(room, name)(**parameters).fit(x, y, sample_weight=sample_weight))
    return found


def assert_alike(theirs, mine, tolerance=1e-9):
    assert distance(theirs, mine) < tolerance
    for attribute in ATTRIBUTES:
        assert getattr(mine, attribute) == getattr(theirs, attribute), attribute
    for attribute in NUMBERS:
        wanted = getattr(theirs, attribute, None)
        found = getattr(mine, attribute, None)
        if wanted is None:
            assert found is None, attribute
        else:
            np.testing.assert_allclose(found, wanted, rtol=1e-7, atol=1e-10, err_msg=attribute)


CLASSIFIERS = [
    {},
    {"solver": "sgd", "nesterovs_momentum": False},
    {"solver": "sgd", "momentum": 0.0, "learning_rate_init": 0.1},
    {"solver": "sgd", "momentum": 1.0, "learning_rate_init": 0.001},
    {"solver": "sgd", "learning_rate": "invscaling", "learning_rate_init": 0.5, "power_t": 0.3},
    {"solver": "sgd", "learning_rate": "adaptive", "learning_rate_init": 0.5, "tol": 0.1, "n_iter_no_change": 1},
    {"early_stopping": True, "n_iter_no_change": 2, "max_iter": 30, "learning_rate_init": 0.01},
    {"activation": "tanh", "hidden_layer_sizes": (9, 8)},
    {"activation": "logistic", "shuffle": False, "batch_size": 32},
    {"activation": "identity", "hidden_layer_sizes": 7, "alpha": 1.0},
    {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-3},
    {"hidden_layer_sizes": (), "tol": 1.0, "n_iter_no_change": 3, "max_iter": 20},
    {"solver": "lbfgs", "max_iter": 15, "activation": "tanh"},
]


@pytest.mark.parametrize("parameters", CLASSIFIERS, ids=str)
def test_the_classifier_is_the_same(parameters):
    x, y = digits()
    theirs, mine = both("MLPClassifier", x, y, **parameters)
    assert_alike(theirs, mine)
    np.testing.assert_allclose(mine.predict_proba(x), theirs.predict_proba(x), atol=1e-9)
    np.testing.assert_array_equal(mine.predict(x), theirs.predict(x))
    np.testing.assert_array_equal(mine.classes_, theirs.classes_)


@pytest.mark.parametrize("backend", ["llvm", "numpy"])
def test_machine_code_and_numpy_are_the_same(backend):
    x, y = digits(250)  # a last batch that is smaller
    theirs = peers.MLPClassifier(random_state=0, max_iter=5, batch_size=100).fit(x, y)
    mine = ours.MLPClassifier(random_state=0, max_iter=5, batch_size=100, backend=backend).fit(x, y)
    assert_alike(theirs, mine)


@pytest.mark.parametrize(
    "parameters",
    [{}, {"solver": "sgd", "learning_rate_init": 0.01}, {"early_stopping": True}, {"solver": "lbfgs"}, {"alpha": 10.0}],
    ids=str,
)
def test_the_regressor_is_the_same(parameters):
    theirs, mine = both("MLPRegressor", *numbers(), **parameters)
    assert_alike(theirs, mine)


@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
def test_several_outputs_are_the_same(loss):
    x, y = numbers(targets=3)
    theirs, mine = both("MLPRegressor", x, np.abs(y), loss=loss, alpha=0.1)
    assert_alike(theirs, mine)
    np.testing.assert_allclose(mine.predict(x), theirs.predict(x))


def test_lbfgs_has_the_gradient_of_its_loss_for_several_outputs():
    """Scikit-learn's is that of another one (its issue 8349), so its line search ends at a greater loss."""
    x, y = numbers(targets=3)
    theirs, mine = both("MLPRegressor", x, y, solver="lbfgs", alpha=10.0, max_iter=40, tol=1e-8)
    half_mean = 0.5 * np.mean((mine.predict(x) - y) ** 2)
    penalty = 5.0 * sum(np.sum(weight**2) for weight in mine.coefs_) / len(x)
    np.testing.assert_allclose(mine.loss_, half_mean + penalty)
    assert mine.loss_ < theirs.loss_ - 1e-3


def test_several_labels_are_the_same():
    x, y = make_multilabel_classification(150, 8, n_classes=4, random_state=0)
    theirs, mine = both("MLPClassifier", x, y)
    assert_alike(theirs, mine)
    np.testing.assert_array_equal(mine.predict(x), theirs.predict(x))


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_sample_weights_are_the_same(solver):
    x, y = digits()
    weight = np.random.default_rng(0).integers(0, 3, len(y)).astype(float)
    assert_alike(*both("MLPClassifier", x, y, weight, solver=solver), tolerance=1e-8)
    assert_alike(*both("MLPRegressor", x, y / 9.0, weight, solver=solver), tolerance=1e-8)


def test_sample_weights_count_in_early_stopping():
    x, y = digits()
    weight = np.random.default_rng(0).uniform(0, 3, len(y))
    assert_alike(*both("MLPClassifier", x, y, weight, early_stopping=True))


@pytest.mark.parametrize("kind", [scipy.sparse.csr_matrix, scipy.sparse.csc_array])
@pytest.mark.parametrize(
    "parameters", [{}, {"early_stopping": True, "batch_size": 50}, {"solver": "lbfgs", "alpha": 9.0}], ids=str
)
def test_sparse_matrices_are_the_same(kind, parameters):
    x, y = digits()
    theirs, mine = both("MLPClassifier", kind(x), y, **parameters)
    assert_alike(theirs, mine)
    np.testing.assert_allclose(mine.predict_proba(kind(x)), theirs.predict_proba(x), atol=1e-9)
    dense = ours.MLPClassifier(random_state=0, max_iter=8, hidden_layer_sizes=(12,), **parameters).fit(x, y)
    assert distance(mine, dense) < 1e-9


@pytest.mark.parametrize("backend", ["numpy", "llvm"])
@pytest.mark.parametrize("hidden", [(), (12,), (9, 7)])
def test_lbfgs_makes_no_sparse_matrix_dense(hidden, backend, monkeypatch):
    x, y = digits()
    y = np.stack([y, x[:, 20]], axis=1) / 9
    weight = np.random.default_rng(0).uniform(0, 3, len(y))
    parameters = {"solver": "lbfgs", "hidden_layer_sizes": hidden, "backend": backend, "alpha": 3.0, "random_state": 0}
    model = ours.MLPRegressor(max_iter=4, **parameters)  # later, it doubles the error of rounding in each step
    dense = model.fit(x, y, weight).coefs_ + model.intercepts_
    monkeypatch.setattr(base, "SparseRows", OnlyProducts)
    monkeypatch.setattr(lbfgs, "SparseRows", OnlyProducts)
    model.fit(scipy.sparse.csr_array(x), y, weight)
    for one, other in zip(dense, model.coefs_ + model.intercepts_, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-7, atol=1e-9)


class OnlyProducts(SparseRows):
    """A sparse matrix that refuses to become dense."""

    def __getitem__(self, rows):
        raise AssertionError("rows were made dense")


def test_float32_is_kept():
    x, y = digits(dtype=np.float32)
    theirs, mine = both("MLPClassifier", x, y)
    assert distance(theirs, mine) < 1e-4
    for estimator in (mine, both("MLPClassifier", x, y, solver="lbfgs")[1], both("MLPRegressor", x, y / 9)[1]):
        assert all(values.dtype == np.float32 for values in estimator.coefs_ + estimator.intercepts_)
    assert mine.predict_proba(x).dtype == np.float32


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_partial_fits_are_the_same(solver):
    x, y = digits()
    theirs, mine = (
        room.MLPClassifier((12,), solver=solver, learning_rate="invscaling", random_state=0) for room in (peers, ours)
    )
    for start in (0, 100, 200, 0, 60):
        for estimator in (theirs, mine):
            estimator.partial_fit(x[start : start + 100], y[start : start + 100], classes=range(10))
    assert_alike(theirs, mine)


def test_a_partial_fit_goes_on_from_a_fit():
    x, y = numbers()
    found = []
    for room in (peers, ours):
        estimator = room.MLPRegressor(hidden_layer_sizes=(12,), random_state=0, max_iter=5).fit(x, y)
        found.append(estimator.partial_fit(x, y).partial_fit(x[:50], y[:50]))
    assert_alike(*found)


def test_warm_starts_are_the_same():
    x, y = digits()
    found = []
    for room in (peers, ours):
        estimator = room.MLPClassifier((12,), warm_start=True, max_iter=3, random_state=0, early_stopping=True)
        for _ in range(3):
            estimator.fit(x, y)
        found.append(estimator)
    assert_alike(*found)
    with pytest.raises(ValueError, match="warm_start can only be used where `y` has the same classes"):
        found[1].fit(x, y % 3)


def test_weights_of_the_user_are_gone_on_from():
    x, y = digits(200)
    found = []
    for room in (peers, ours):
        estimator = room.MLPClassifier((5,), warm_start=True, max_iter=2, random_state=0, shuffle=False).fit(x, y)
        estimator.coefs_[0] = np.full_like(estimator.coefs_[0], 0.1)
        estimator.intercepts_[1][:] = 0.0
        found.append(estimator.fit(x, y))
    assert_alike(*found)
    mine = found[1]
    mine.coefs_[1][:] = 0.0
    np.testing.assert_allclose(mine.predict_proba(x[:1]).sum(), 1.0)


def test_the_messages_are_the_same(capsys):
    x, y = digits(120)
    parameters = {"solver": "sgd", "learning_rate": "adaptive", "learning_rate_init": 1e-6, "early_stopping": True}
    printed = []
    for room in (peers, ours):
        room.MLPClassifier((5,), verbose=True, n_iter_no_change=1, max_iter=9, random_state=0, **parameters).fit(x, y)
        printed.append(capsys.readouterr().out)
    assert "Learning rate too small. Stopping." in printed[0]
    assert printed[1] == printed[0]


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"max_iter": 2}, "Stochastic Optimizer: Maximum iterations"),
        ({"max_iter": 2, "batch_size": 999, "tol": 9.0}, "Got `batch_size` less than 1 or larger"),
        ({"max_iter": 2, "solver": "lbfgs"}, "lbfgs failed to converge after 2 iteration"),
    ],
)
def test_the_warnings_are_the_same(parameters, message):
    x, y = digits(50)
    for room in (peers, ours):
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            room.MLPClassifier((5,), random_state=0, **parameters).fit(x, y)
        assert any(str(warning.message).startswith(message) for warning in found), room


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"hidden_layer_sizes": (5, 0)}, "hidden_layer_sizes must be > 0"),
        ({"solver": "newton"}, "The 'solver' parameter"),
        ({"activation": "relux"}, "The 'activation' parameter"),
        ({"early_stopping": True, "validation_fraction": 0.001}, "validation set is too small|test_size"),
    ],
)
def test_mistakes_raise_as_they_do_there(parameters, message):
    x, y = digits(50)
    for room in (peers, ours):
        with pytest.raises(ValueError, match=message):
            room.MLPClassifier(**parameters).fit(x, y)


def test_partial_fit_is_there_for_stochastic_solvers():
    assert not hasattr(ours.MLPClassifier(solver="lbfgs"), "partial_fit")
    assert hasattr(ours.MLPClassifier(solver="sgd"), "partial_fit")
    x, y = digits(50)
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        ours.MLPClassifier().partial_fit(x, y)
    with pytest.raises(ValueError, match="partial_fit does not support early_stopping=True"):
        ours.MLPClassifier(early_stopping=True).partial_fit(x, y, classes=range(10))
    estimator = ours.MLPClassifier((5,)).partial_fit(x, y, classes=range(10))
    with pytest.raises(ValueError, match="`y` has classes not in"):
        estimator.partial_fit(x, y + 5)


def test_weights_that_are_not_finite_raise():
    x, y = numbers()
    with pytest.raises(ValueError, match="Solver produced non-finite parameter weights"):
        ours.MLPRegressor(solver="sgd", learning_rate_init=1e6, random_state=0).fit(x, y)


def test_a_fit_that_diverges_keeps_the_best_weights():
    x, y = numbers()
    model = ours.MLPRegressor(
        solver="sgd", activation="identity", learning_rate_init=3.0, early_stopping=True, random_state=0
    )
    with pytest.warns(ConvergenceWarning, match="diverged"):
        model.fit(x, y)
    assert np.isnan(model.validation_scores_[-1]) and np.isnan(model.loss_curve_[-1])
    assert np.isfinite(model.predict(x)).all()


def test_a_keyboard_interrupt_keeps_what_was_learned(monkeypatch):
    x, y = digits(100)
    model = ours.MLPClassifier((5,), random_state=0)
    print_or_stop = iter([None, None, KeyboardInterrupt()])

    def score(*_args, **_keywords):
        stop = next(print_or_stop)
        if stop is not None:
            raise stop
        return 1.0

    model.set_params(scoring=score, early_stopping=True)
    with pytest.warns(UserWarning, match="Training interrupted by user"):
        model.fit(x, y)
    assert model.predict(x).shape == (100,)


def test_every_parameter_of_scikit_learn_has_its_default():
    for name in ("MLPClassifier", "MLPRegressor"):
        theirs, mine = getattr(peers, name)().get_params(), getattr(ours, name)().get_params()
        assert {key: mine[key] for key in theirs} == theirs


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("room", [peers, ours])
def test_warnings_can_be_filtered_by_the_module_of_scikit_learn(room, solver):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", category=ConvergenceWarning, module="sklearn")
        room.MLPClassifier(max_iter=3, solver=solver).fit(*digits())
