"""Estimators with the interface of scikit-learn: ``pip install 'twopass[sklearn]'``.

They take the place of scikit-learn's multi-layer perceptrons, with their parameters, attributes and stopping rules:

>>> from twopass.sklearn import MLPClassifier
>>> from sklearn.datasets import load_iris
>>> x, y = load_iris(return_X_y=True)
>>> MLPClassifier(max_iter=1000, random_state=0).fit(x, y).score(x, y) > 0.95
True

`MLPMultiTask` is of the same kind, for several targets that are classes or numbers. ``docs/estimators.md`` shows what
they can do beyond that.
"""

from twopass.errors import MissingLibraryError, compose

try:
    import sklearn as _sklearn  # noqa: F401
except ImportError as _error:
    _what = "twopass.sklearn needs scikit-learn, which is not installed"
    raise MissingLibraryError(compose(_what, instead="Type pip install 'twopass[sklearn]'.")) from _error

from twopass.sklearn.classifier import MLPClassifier
from twopass.sklearn.multitask import MLPMultiTask
from twopass.sklearn.regressor import MLPRegressor

__all__ = ["MLPClassifier", "MLPMultiTask", "MLPRegressor"]
