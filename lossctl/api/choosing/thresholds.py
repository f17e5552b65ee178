"""Thresholds: the numbers at which advice changes. No source gives them; they are conventions of lossctl's own.

Every report prints those that it used beside what was seen.
"""

from __future__ import annotations

from typing import Final

from lossctl.core.domain import SUM_TOLERANCE
from lossctl.results.advice import Threshold

NORMAL_MAD: Final = 1.4826  # times the median absolute deviation is the standard deviation of a normal law
OUTLIER_SCALES: Final = 3.0  # standard deviations beyond which a value is called an outlier
HUBER_95: Final = 1.345  # standard deviations: there huber keeps 95 % of the efficiency of mse under a normal law
FEW_OUTLIERS: Final = 3  # rows that a tail takes: one or two odd rows of a small file are none

OUTLIERS: Final = Threshold(
    "outlier share",
    0.01,
    "a normal law has 0.27 % beyond 3 x 1.4826 x MAD, a logistic one 1.5 %, a Laplace one 4.6 %; "
    f"and at least {FEW_OUTLIERS} rows",
    "share",
)
DOMINANT: Final = Threshold(
    "share of the largest square", 0.5, "one value then counts for more than all others together", "share"
)
SKEWED: Final = Threshold("skewness", 2.0, "that of an exponential law: mean and median are far apart")
MAGNITUDES: Final = Threshold(
    "99% quantile / 1% quantile", 100.0, "two orders of magnitude: errors are then compared by their ratio"
)
COUNT_MEDIAN: Final = Threshold(
    "median of whole numbers",
    30.0,
    "above it a Poisson count is near normal (skewness 0.18), and whole numbers are measurements as well as counts",
)
OVERDISPERSED: Final = Threshold(
    "dispersion", 2.0, "a Poisson count has 1; at 2 its intervals are too narrow by a factor of 1.4"
)
ZEROS: Final = Threshold(
    "share of zeros", 0.1, "a continuous number is never exactly 0: that many zeros are a second kind of row", "share"
)
HALF_ZEROS: Final = Threshold("share of zeros", 0.5, "the median is 0 then, and mae is best served by 0", "share")
TINY: Final = Threshold("1% quantile of |target| / median", 0.01, "such rows outweigh others a hundredfold in mape")
IMBALANCE: Final = Threshold(
    "smallest class x classes", 0.2, "a fifth of an even share, which is 10 % of two classes", ""
)
FOREGROUND: Final = Threshold("share of ones", 0.1, "an empty mask is right in nine pixels of ten then", "share")
MASK_WIDTH: Final = Threshold("columns of a mask", 64.0, "8 x 8 pixels; fewer 0/1 columns are labels")
ROW_SUM: Final = Threshold("|sum of a row - 1|", 1e-6, "what is left of a softmax after seven digits")
ROUNDED_SUM: Final = Threshold("|sum of a row - 1|", SUM_TOLERANCE, "probabilities that were rounded to three digits")
MAY_BE_LABELS: Final = Threshold("different whole numbers", 20.0, "so few may as well be class labels")
FEW_ROWS: Final = Threshold("rows", 30.0, "shares and scales of fewer rows are rough")
MARGIN: Final = Threshold(
    "mean distance of what differs / margin", 2.0, "a margin on another scale leaves no or every pair without slope"
)
