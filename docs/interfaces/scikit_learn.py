"""A perceptron of minigrad as a classifier of scikit-learn, whose VJP is one of its parameters."""

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from minigrad import estimators, nn, ops, optim, training


class VJPClassifier(ClassifierMixin, BaseEstimator):
    """A perceptron that is trained with exact or random VJPs; ``vjp`` is the text that the command line takes."""

    def __init__(self, hidden=32, vjp="exact", epochs=30, batch_size=32, lr=0.01, random_state=None):
        self.hidden, self.vjp, self.epochs = hidden, vjp, epochs
        self.batch_size, self.lr, self.random_state = batch_size, lr, random_state

    def fit(self, X, y):
        X, y = validate_data(self, X, y)
        check_classification_targets(y)
        self.classes_, labels = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError("VJPClassifier needs samples of two classes; these are all of one class")
        self.mean_, self.scale_ = X.mean(axis=0), X.std(axis=0) + 1e-12
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        vjp = estimators.parse(self.vjp)
        self.model_ = nn.mlp(X.shape[1], self.hidden, len(self.classes_), vjp=vjp, rng=seed)
        optimizer = optim.Adam(self.model_, lr=self.lr)
        batch = min(self.batch_size, len(X))
        data = (self._inputs(X), labels)
        training.fit(
            self.model_, data, optimizer=optimizer, epochs=self.epochs, batch_size=batch, rng=seed, progress=False
        )
        return self

    def predict_proba(self, X):
        check_is_fitted(self)
        return ops.softmax(self.model_(self._inputs(validate_data(self, X, reset=False)))).data

    def predict(self, X):
        check_is_fitted(self)
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def _inputs(self, X):
        return ((X - self.mean_) / self.scale_).astype(np.float32)
