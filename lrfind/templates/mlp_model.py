"""The data of the config beside this file: put your own here, or name yours in the config.

The digits are real ones that come with lrfind: a part of E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten
Digits", UCI Machine Learning Repository, 1998 (CC BY 4.0).
"""

from pathlib import Path

import numpy as np
import torch
from torch.utils.data import TensorDataset

import lrfind

DIGITS = Path(lrfind.__file__).parent / "templates" / "digits.csv.gz"


def table(file: str | None = None) -> TensorDataset:
    """Return (features, label) pairs from a CSV of numbers without a heading, whose last column is the class.

    Features have mean 0 and deviation 1, as a network wants them: a column in thousands would drown the others.

    Args:
        file: The CSV, which may be gzipped; the digits, 64 pixels each, if there is none.
    """
    columns = torch.from_numpy(np.loadtxt(file or DIGITS, delimiter=",", dtype=np.float32, ndmin=2))
    features, label = columns[:, :-1], columns[:, -1].long()  # of a regression: columns[:, -1:], scaled likewise
    deviation = features.std(dim=0).clamp(min=1e-6)  # a column that never changes stays 0
    return TensorDataset((features - features.mean(dim=0)) / deviation, label)
