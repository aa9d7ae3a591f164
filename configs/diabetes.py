"""Real measurements of 442 diabetes patients, for the regression config.

The data is the one that scikit-learn ships: B. Efron, T. Hastie, I. Johnstone and R. Tibshirani, "Least Angle
Regression", Annals of Statistics 32, 2004.
"""

import torch
from torch.utils.data import TensorDataset

try:
    from sklearn.datasets import load_diabetes
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "the diabetes data comes with scikit-learn, which is not installed; pip install 'lrfind[examples]'"
    ) from error


def diabetes() -> TensorDataset:
    """Return (features, progression) pairs of shape (10,) and (1,), each column with mean 0 and deviation 1.

    A target in its own unit, here about 150 +- 77, would have the first steps spent on finding its mean.
    """
    features, progression = load_diabetes(return_X_y=True, scaled=False)
    return TensorDataset(_standardised(features), _standardised(progression[:, None]))


def _standardised(columns: object) -> torch.Tensor:
    values = torch.as_tensor(columns, dtype=torch.float32)
    return (values - values.mean(dim=0)) / values.std(dim=0)
