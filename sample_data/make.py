"""Make every sample file in this folder from data sets that Python packages ship.

Needs numpy, pandas, pyarrow, scikit-learn, scikit-image, scipy, statsmodels and threadpoolctl; nothing is
downloaded.
Every random choice has a fixed seed and every library runs on one thread, so a second run on the same
machine with the same package versions writes the same bytes. SOURCES.md says what each file holds.

    python sample_data/make.py
"""

# The libraries that train the models and find the coins ship no types.
# mypy: allow-untyped-calls, disable-error-code="import-untyped,import-not-found"

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from scipy import ndimage
from skimage.data import coins
from skimage.feature import canny
from skimage.filters import sobel, threshold_otsu
from skimage.measure import label, regionprops
from skimage.morphology import closing, disk, opening
from skimage.segmentation import watershed
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GroupShuffleSplit, train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from statsmodels.api import GLM, add_constant
from statsmodels.datasets import randhie
from statsmodels.genmod.families import Poisson
from threadpoolctl import threadpool_limits

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Box = tuple[int, int, int, int]
Layer = tuple[Floats, Floats]

FOLDER = Path(__file__).parent
SEED = 20240613
EMBEDDING_SIZE = 8
CROP_SIZE = 32
CROP_MARGIN = 3
SMALLEST_COIN = 500
BOX_CORNERS = ("x1", "y1", "x2", "y2")


def main() -> None:
    """Write all files, on one thread, so that sums are always added in the same order."""
    with threadpool_limits(limits=1):
        make_diabetes()
        make_breast_cancer()
        make_wine()
        make_digits()
        make_doctor_visits()
        make_coins()
        make_digits_pairs()
        make_digits_triplets()
        make_gan()


# --- One function per sample file -------------------------------------------------------------------------


def make_diabetes() -> None:
    """Regression: how far diabetes has progressed after a year, from ten measurements."""
    features, progression = load_diabetes(return_X_y=True, scaled=False)
    train, test = split_rows(len(progression), 1 / 3)
    linear = make_pipeline(StandardScaler(), Ridge(alpha=10.0))
    forest = RandomForestRegressor(n_estimators=300, min_samples_leaf=5, random_state=SEED, n_jobs=1)
    for model in (linear, forest):
        model.fit(features[train], progression[train])
    age = features[test, 0]
    write_csv(
        "diabetes.csv",
        {
            "row": test,
            "age_band": np.where(age < 50, "under 50", "50 and over"),
            "progression": progression[test],
            "linear": linear.predict(features[test]),
            "forest": forest.predict(features[test]),
        },
    )


def make_breast_cancer() -> None:
    """Two classes: the probability that a tumour is malignant."""
    data = load_breast_cancer()
    malignant = (data.target_names[data.target] == "malignant").astype(np.int64)
    train, test = split_rows(len(malignant), 1 / 3, stratify=malignant)
    probabilities = class_probabilities(data.data, malignant, train, test)
    write_csv(
        "breast_cancer.csv",
        {
            "diagnosis": data.target_names[data.target[test]],
            **{model: columns[:, 1] for model, columns in probabilities.items()},
        },
    )


def make_wine() -> None:
    """Three classes: the cultivar of a wine from its chemistry, one probability column per class."""
    data = load_wine()
    train, test = split_rows(len(data.target), 1 / 2, stratify=data.target)
    probabilities = class_probabilities(data.data, data.target, train, test)
    write_csv(
        "wine.csv",
        {
            "cultivar": data.target_names[data.target[test]],
            **{
                f"{model}_{name}": columns[:, position]
                for model, columns in probabilities.items()
                for position, name in enumerate(data.target_names)
            },
        },
    )


def make_digits() -> None:
    """Ten classes: the raw outputs (logits) of a softmax regression and of a small neural network."""
    pixels, digit, train, test = split_digits()
    softmax = LogisticRegression(C=0.1, max_iter=2000).fit(pixels[train], digit[train])
    network = MLPClassifier((32,), alpha=0.01, max_iter=500, random_state=SEED)
    network.fit(pixels[train], digit[train])
    logits = {
        "softmax": softmax.decision_function(pixels[test]),
        "mlp": network_logits(network, pixels[test]),
    }
    write_parquet(
        "digits.parquet",
        {
            "digit": digit[test],
            **{f"{model}_{k}": rows[:, k] for model, rows in logits.items() for k in range(10)},
        },
    )


def make_doctor_visits() -> None:
    """Counts: visits to a doctor in one year, with the rates of two Poisson models."""
    table = randhie.load_pandas().data
    visits = table["mdvis"].to_numpy(np.int64)
    covariates = table.drop(columns="mdvis").to_numpy(np.float64)
    train, test = split_people(covariates, held_out_rows=2000)
    poisson = GLM(visits[train], add_constant(covariates[train], has_constant="add"), family=Poisson()).fit()
    boosted = HistGradientBoostingRegressor(
        loss="poisson", learning_rate=0.05, max_iter=150, max_leaf_nodes=15, random_state=SEED
    ).fit(covariates[train], visits[train])
    free = ((table["lncoins"] == 0) & (table["idp"] == 0)).to_numpy()[test]
    write_parquet(
        "doctor_visits.parquet",
        {
            "visits": visits[test],
            "plan": np.where(free, "free", "coinsurance"),
            "poisson": poisson.predict(add_constant(covariates[test], has_constant="add")),
            "boosted": boosted.predict(covariates[test]),
        },
    )


def make_coins() -> None:
    """Boxes and masks: each coin of one photograph, as found by a reference method and by two others."""
    image = coins()
    reference = label(segment_by_watershed(image))
    models = {"otsu": label(segment_by_otsu(image)), "canny": label(segment_by_canny(image))}
    boxes: list[list[int]] = []
    crops: dict[str, list[npt.NDArray[np.uint8]]] = {"target": [], "otsu": [], "canny": []}
    for region in regionprops(reference):
        if region.area < SMALLEST_COIN:
            continue
        target = reference == region.label
        found = {name: matching_region(target, labels) for name, labels in models.items()}
        if any(mask is None for mask in found.values()):
            continue
        masks = {"target": target, **{name: mask for name, mask in found.items() if mask is not None}}
        boxes.append([corner for mask in masks.values() for corner in bounding_box(mask)])
        window = union_window(masks.values())
        for name, mask in masks.items():
            crops[name].append(crop_mask(mask, window))
    names = [f"{name}_{corner}" for name in crops for corner in BOX_CORNERS]
    columns = dict(zip(names, np.array(boxes).T, strict=True))
    write_csv("coins_boxes.csv", {"coin": np.arange(1, len(boxes) + 1), **columns})
    for name, stack in crops.items():
        np.save(FOLDER / f"coins_{name}.npy", np.stack(stack))


def make_digits_pairs() -> None:
    """Pairs: embeddings of two held-out digits, half of the pairs showing the same digit."""
    embeddings, digit = embed_held_out_digits()
    generator = np.random.default_rng(SEED)
    left = generator.permutation(len(digit))[:400]
    different = generator.permutation(np.repeat(np.array([0, 1], dtype=np.int64), 200))
    right = np.array([pick_partner(generator, digit, a, same=d == 0) for a, d in zip(left, different, strict=True)])
    columns: dict[str, Any] = {"different": different, "same": 1 - different}
    for model, rows in embeddings.items():
        columns[f"{model}_left"] = rows[left]
        columns[f"{model}_right"] = rows[right]
    for model, rows in embeddings.items():
        columns[f"{model}_score"] = -np.linalg.norm(rows[left] - rows[right], axis=1)
    write_parquet("digits_pairs.parquet", columns)


def make_digits_triplets() -> None:
    """Triplets: a held-out digit, another image of the same digit and an image of a different one."""
    embeddings, digit = embed_held_out_digits()
    generator = np.random.default_rng(SEED + 1)
    anchor = generator.permutation(len(digit))[:300]
    positive = np.array([pick_partner(generator, digit, a, same=True) for a in anchor])
    negative = np.array([pick_partner(generator, digit, a, same=False) for a in anchor])
    roles = {"anchor": anchor, "positive": positive, "negative": negative}
    write_parquet(
        "digits_triplets.parquet",
        {f"{model}_{role}": rows[at] for model, rows in embeddings.items() for role, at in roles.items()},
    )


def make_gan() -> None:
    """Adversarial: what two discriminators say of held-out real rows and of generated rows."""
    train, real = split_tumour_shapes(held_out_rows=200)
    generator, small, large = train_adversaries(train, steps=3000)
    noise = np.random.default_rng(SEED + 2).standard_normal((len(real), 2))
    rows = np.concatenate([real, generator.forward(noise)])
    write_csv(
        "gan.csv",
        {
            "real": np.repeat(np.array([1, 0]), len(real)),
            "small": sigmoid(small.forward(quadratic_terms(rows)))[:, 0],
            "large": sigmoid(large.forward(rows))[:, 0],
        },
    )


# --- Splitting and writing --------------------------------------------------------------------------------


def split_rows(rows: int, held_out: float, stratify: Integers | None = None) -> tuple[Integers, Integers]:
    """Row numbers to train on and row numbers to hold out, each in their original order."""
    train, test = train_test_split(np.arange(rows), test_size=held_out, random_state=SEED, stratify=stratify)
    return np.sort(train), np.sort(test)


def split_people(covariates: Floats, held_out_rows: int) -> tuple[Integers, Integers]:
    """Keep each person on one side; the table names no one, so equal neighbouring rows stand for a person."""
    changes = (covariates[1:] != covariates[:-1]).any(axis=1)
    person = np.concatenate([[0], np.cumsum(changes)])
    splitter = GroupShuffleSplit(n_splits=1, test_size=0.15, random_state=SEED)
    train, test = next(splitter.split(covariates, groups=person))
    kept = np.random.default_rng(SEED).choice(test, held_out_rows, replace=False)
    return np.sort(train), np.sort(kept)


def write_csv(name: str, columns: dict[str, Any]) -> None:
    """Write a CSV file with at most ten significant digits and no needless quotes."""
    pd.DataFrame(columns).to_csv(FOLDER / name, index=False, float_format="%.10g", lineterminator="\n")


def write_parquet(name: str, columns: dict[str, Any]) -> None:
    """Write a Parquet file with page checksums; a two-dimensional array becomes a fixed-size list column."""
    table = pa.table({column: arrow_column(values) for column, values in columns.items()})
    pq.write_table(table, FOLDER / name, compression="zstd", write_page_checksum=True)


def arrow_column(values: npt.NDArray[Any]) -> Any:
    """Give Arrow a flat column, or one list of equal length per row."""
    if values.ndim == 1:
        return pa.array(values)
    return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])


# --- Classifiers ------------------------------------------------------------------------------------------


def class_probabilities(features: Floats, classes: Integers, train: Integers, test: Integers) -> dict[str, Floats]:
    """Class probabilities of a logistic regression and of a random forest for the held-out rows."""
    logistic = make_pipeline(StandardScaler(), LogisticRegression(C=0.5, max_iter=2000))
    forest = RandomForestClassifier(n_estimators=300, min_samples_leaf=3, random_state=SEED, n_jobs=1)
    for model in (logistic, forest):
        model.fit(features[train], classes[train])
    votes = forest.predict_proba(features[test]) * forest.n_estimators
    return {
        "logistic": logistic.predict_proba(features[test]),
        "forest": add_one_vote_per_class(votes),
    }


def add_one_vote_per_class(votes: Floats) -> Floats:
    """Laplace's rule: keeps a forest that agrees with itself from saying exactly 0 or 1."""
    smoothed = votes + 1.0
    return np.asarray(smoothed / smoothed.sum(axis=1, keepdims=True), dtype=np.float64)


# --- Digits -----------------------------------------------------------------------------------------------


def split_digits() -> tuple[Floats, Integers, Integers, Integers]:
    """Pixels between 0 and 1, the digits, and the rows to train on and to hold out."""
    pixels, digit = load_digits(return_X_y=True)
    train, test = split_rows(len(digit), 1 / 3, stratify=digit)
    return pixels / 16.0, digit.astype(np.int64), train, test


def network_logits(network: Any, pixels: Floats) -> Floats:
    """Run the network forward but stop before its softmax, which scikit-learn would apply."""
    values = pixels
    for weights, bias in zip(network.coefs_[:-1], network.intercepts_[:-1], strict=True):
        values = np.maximum(values @ weights + bias, 0.0)
    return np.asarray(values @ network.coefs_[-1] + network.intercepts_[-1], dtype=np.float64)


def embed_held_out_digits() -> tuple[dict[str, Floats], Integers]:
    """Held-out digits in eight dimensions, once without the labels (PCA) and once with them (LDA)."""
    pixels, digit, train, test = split_digits()
    pca = PCA(EMBEDDING_SIZE, svd_solver="full").fit(pixels[train])
    lda = LinearDiscriminantAnalysis(n_components=EMBEDDING_SIZE).fit(pixels[train], digit[train])
    embeddings = {}
    for name, model in (("pca", pca), ("lda", lda)):
        typical_distance = np.sqrt(2.0 * model.transform(pixels[train]).var(axis=0).sum())
        embeddings[name] = model.transform(pixels[test]) / typical_distance
    return embeddings, digit[test]


def pick_partner(generator: np.random.Generator, digit: Integers, row: int, *, same: bool) -> int:
    """Another row that shows the same digit, or one that shows a different digit."""
    wanted = (digit == digit[row]) == same
    wanted[row] = False
    return int(generator.choice(np.flatnonzero(wanted)))


# --- Coins ------------------------------------------------------------------------------------------------


def segment_by_watershed(image: npt.NDArray[np.uint8]) -> Mask:
    """The reference: region-based segmentation as in scikit-image's tutorial on this photograph."""
    markers = np.zeros(image.shape, dtype=np.int32)
    markers[image < 30] = 1
    markers[image > 150] = 2
    return fill_holes(watershed(sobel(image), markers) == 2)


def segment_by_otsu(image: npt.NDArray[np.uint8]) -> Mask:
    """Otsu's threshold, small gaps closed and holes filled."""
    return fill_holes(closing(image > threshold_otsu(image), disk(1)))


def segment_by_canny(image: npt.NDArray[np.uint8]) -> Mask:
    """Canny's edges, small gaps closed, outlines filled and stray lines taken away."""
    edges = canny(image / 255.0, sigma=1.0)
    return np.asarray(opening(fill_holes(closing(edges, disk(1))), disk(2)), dtype=np.bool_)


def fill_holes(mask: Mask) -> Mask:
    """Fill whatever an outline encloses."""
    return np.asarray(ndimage.binary_fill_holes(mask), dtype=np.bool_)


def matching_region(target: Mask, labels: Integers) -> Mask | None:
    """The labelled region with the best overlap (IoU) with a coin, or nothing where none overlaps it."""
    candidates = [labels == number for number in np.unique(labels[target]) if number != 0]
    return max(candidates, key=lambda mask: overlap(target, mask), default=None)


def overlap(first: Mask, second: Mask) -> float:
    """Intersection over union of two masks."""
    return float((first & second).sum() / (first | second).sum())


def bounding_box(mask: Mask) -> Box:
    """Left, top, right and bottom of a mask; the right and bottom edges lie just past the last pixel."""
    rows = np.flatnonzero(mask.any(axis=1))
    columns = np.flatnonzero(mask.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def union_window(masks: Iterable[Mask]) -> Box:
    """The box around all masks of one coin, slightly enlarged but inside the photograph."""
    union = np.logical_or.reduce(list(masks))
    height, width = union.shape
    x1, y1, x2, y2 = bounding_box(union)
    return (
        max(x1 - CROP_MARGIN, 0),
        max(y1 - CROP_MARGIN, 0),
        min(x2 + CROP_MARGIN, width),
        min(y2 + CROP_MARGIN, height),
    )


def crop_mask(mask: Mask, window: Box) -> npt.NDArray[np.uint8]:
    """Cut a window out of a mask and resize it, each pixel taking its nearest neighbour."""
    x1, y1, x2, y2 = window
    centres = (np.arange(CROP_SIZE) + 0.5) / CROP_SIZE
    rows = (y1 + centres * (y2 - y1)).astype(np.int64)
    columns = (x1 + centres * (x2 - x1)).astype(np.int64)
    return mask[np.ix_(rows, columns)].astype(np.uint8)


# --- The adversarial pair ---------------------------------------------------------------------------------


class Network:
    """A small fully connected network with tanh between its layers, trained with Adam."""

    def __init__(self, sizes: tuple[int, ...], generator: np.random.Generator, learning_rate: float) -> None:
        """Draw the weights so that each layer keeps the scale of what it is given."""
        self.layers: list[Layer] = [
            (generator.standard_normal((inputs, outputs)) / np.sqrt(inputs), np.zeros(outputs))
            for inputs, outputs in pairwise(sizes)
        ]
        self.learning_rate = learning_rate
        self.steps = 0
        self.means = [np.zeros_like(values) for values in self.parameters()]
        self.squares = [np.zeros_like(values) for values in self.parameters()]
        self.inputs: list[Floats] = []

    def parameters(self) -> list[Floats]:
        """All weights and biases, layer by layer."""
        return [values for layer in self.layers for values in layer]

    def forward(self, values: Floats) -> Floats:
        """Compute the raw outputs and remember what each layer was given."""
        self.inputs = []
        for position, (weights, bias) in enumerate(self.layers):
            if position > 0:
                values = np.tanh(values)
            self.inputs.append(values)
            values = values @ weights + bias
        return values

    def backward(self, slope: Floats) -> tuple[list[Floats], Floats]:
        """Slopes of all parameters and of the input, from the slope of the last forward pass's output."""
        slopes: list[Floats] = []
        for position in reversed(range(len(self.layers))):
            given = self.inputs[position]
            slopes[:0] = [given.T @ slope, slope.sum(axis=0)]
            slope = slope @ self.layers[position][0].T
            if position > 0:
                slope = slope * (1.0 - given**2)
        return slopes, slope

    def descend(self, slopes: list[Floats]) -> None:
        """Take one step of Adam, with the short memory that is usual for adversarial training."""
        self.steps += 1
        for position, (values, slope) in enumerate(zip(self.parameters(), slopes, strict=True)):
            self.means[position] += 0.5 * (slope - self.means[position])
            self.squares[position] += 0.01 * (slope**2 - self.squares[position])
            mean = self.means[position] / (1.0 - 0.5**self.steps)
            square = self.squares[position] / (1.0 - 0.99**self.steps)
            np.subtract(values, self.learning_rate * mean / (np.sqrt(square) + 1e-8), out=values)


def split_tumour_shapes(held_out_rows: int) -> tuple[Floats, Floats]:
    """Two standardised measurements of tumours, as square roots: rows to train on and rows to hold out."""
    data = load_breast_cancer()
    names = list(data.feature_names)
    shapes = np.sqrt(data.data[:, [names.index("mean radius"), names.index("worst concave points")]])
    train, test = split_rows(len(shapes), held_out_rows / len(shapes))
    centre, spread = shapes[train].mean(axis=0), shapes[train].std(axis=0)
    return (shapes[train] - centre) / spread, (shapes[test] - centre) / spread


def train_adversaries(rows: Floats, steps: int) -> tuple[Network, Network, Network]:
    """Train a linear generator against two discriminators at once: a quadratic logistic one and a network."""
    random = np.random.default_rng(SEED)
    generator = Network((2, 2), random, learning_rate=0.001)
    small = Network((5, 1), random, learning_rate=0.005)
    large = Network((2, 16, 16, 1), random, learning_rate=0.005)
    for _ in range(steps):
        real = rows[random.integers(len(rows), size=128)]
        fake = generator.forward(random.standard_normal((128, 2)))
        train_discriminator(small, real, fake, quadratic_terms)
        train_discriminator(large, real, fake, np.asarray)
        slope = slope_for_generator(small, quadratic_terms(fake))
        slope = (quadratic_slope(fake, slope) + slope_for_generator(large, fake)) / 2.0
        generator.descend(generator.backward(slope)[0])
    return generator, small, large


def train_discriminator(network: Network, real: Floats, fake: Floats, features: Callable[[Floats], Floats]) -> None:
    """One step towards telling real rows (1) from generated rows (0)."""
    rows = np.concatenate([real, fake])
    truth = np.repeat([1.0, 0.0], [len(real), len(fake)])[:, np.newaxis]
    outputs = network.forward(features(rows))
    slopes, _ = network.backward((sigmoid(outputs) - truth) / len(rows))
    network.descend(slopes)


def slope_for_generator(network: Network, features: Floats) -> Floats:
    """Slope of the non-saturating generator loss, -log D, with respect to a discriminator's input."""
    outputs = network.forward(features)
    return network.backward((sigmoid(outputs) - 1.0) / len(features))[1]


def quadratic_terms(rows: Floats) -> Floats:
    """Both coordinates, their squares and their product."""
    x, y = rows[:, 0], rows[:, 1]
    return np.stack([x, y, x * x, y * y, x * y], axis=1)


def quadratic_slope(rows: Floats, slope: Floats) -> Floats:
    """Carry a slope from the quadratic terms back to the two coordinates."""
    x, y = rows[:, 0], rows[:, 1]
    by_x = slope[:, 0] + 2.0 * x * slope[:, 2] + y * slope[:, 4]
    by_y = slope[:, 1] + 2.0 * y * slope[:, 3] + x * slope[:, 4]
    return np.stack([by_x, by_y], axis=1)


def sigmoid(values: Floats) -> Floats:
    """The probability that belongs to a logit."""
    return np.asarray(1.0 / (1.0 + np.exp(-values)), dtype=np.float64)


if __name__ == "__main__":
    main()
