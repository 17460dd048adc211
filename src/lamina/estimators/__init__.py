"""scikit-learn estimators: networks and linear models, trained by Lamina.

They take their place in pipelines, searches and cross-validations. Names of parameters are those of scikit-learn's
``MLPClassifier``, ``LinearRegression``, ``Ridge`` and ``LogisticRegression`` where the thing is the same.
"""

from lamina.estimators.classifier import LaminaClassifier
from lamina.estimators.linear import LinearRegression, LogisticRegression
from lamina.estimators.regressor import LaminaRegressor
from lamina.estimators.tables import TableEncoder

__all__ = ["LaminaClassifier", "LaminaRegressor", "LinearRegression", "LogisticRegression", "TableEncoder"]
