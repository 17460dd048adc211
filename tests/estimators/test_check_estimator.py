"""scikit-learn's own suite for estimators, without exceptions."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from lamina.estimators import LaminaClassifier, LaminaRegressor, LinearRegression, LogisticRegression, TableEncoder


# As many epochs as scikit-learn gives its own networks there: some checks want an accuracy, others only a call.
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks(
    [
        LaminaClassifier(max_iter=100),
        LaminaRegressor(max_iter=100),
        LinearRegression(),
        LogisticRegression(),
        TableEncoder(),
    ]
)
def test_estimators_keep_scikit_learns_contract(estimator, check):
    check(estimator)
