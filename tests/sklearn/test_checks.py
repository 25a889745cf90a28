"""The checks that scikit-learn has for estimators, without an exception."""

from __future__ import annotations

from sklearn.utils.estimator_checks import parametrize_with_checks

from twopass.sklearn import MLPClassifier, MLPRegressor


@parametrize_with_checks([MLPClassifier(), MLPRegressor()])
def test_estimator_check(estimator, check):
    check(estimator)
