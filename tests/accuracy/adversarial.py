"""Adversarial training: probabilities and logits at both ends, scores near the margins and of any size."""

from __future__ import annotations

from collections.abc import Callable

from tests.accuracy import Exact, Real, around, both_signs, grid, mp

Chances = tuple[Real, Real]  # D and 1 - D


def log_of(p: Real, other: Real) -> Real:
    return mp.log1p(-other) if other < 0.1 else mp.log(p)


def discriminator(real: Real, chances: Chances) -> Real:
    return -log_of(*(chances if real else chances[::-1]))


def generator(real: Real, chances: Chances) -> Real:
    return mp.mpf(0) if real else log_of(*chances[::-1])


def nonsaturating(real: Real, chances: Chances) -> Real:
    return mp.mpf(0) if real else -log_of(*chances)


def of_probability(cost: Callable[[Real, Chances], Real]) -> Callable[..., Real]:
    return lambda target, pred: cost(target, (pred, 1 - pred))


def of_logit(cost: Callable[[Real, Chances], Real]) -> Callable[..., Real]:
    return lambda target, pred: cost(target, (1 / (1 + mp.exp(-pred)), 1 / (1 + mp.exp(pred))))


def of_score(real: Callable[[Real], Real], generated: Callable[[Real], Real]) -> Callable[..., Real]:
    return lambda target, pred: (real if target else generated)(pred)


def nothing(f: Real) -> Real:
    return mp.mpf(0)


PROBABILITIES = grid(target=[0.0, 1.0], pred=[5e-324, 1e-300, 1e-9, 0.1, 0.5, 0.9, 1.0 - 1e-9, *around(1.0)[:1]])
LOGITS = grid(target=[0.0, 1.0], pred=[0.0, *both_signs([1e4, 800.0, 36.0, 17.3, 2.5, 0.3, 1e-9])])
SCORES = grid(
    target=[0.0, 1.0],
    pred=[0.0, *around(1.0), *around(-1.0), *both_signs([5e-324, 1e-100, 1e-9, 0.3, 2.5, 1e9, 1e100, 1e150, 1e300])],
)
GAMES: dict[str, Callable[[Real, Chances], Real]] = {
    "gan_discriminator": discriminator,
    "gan_value": lambda real, chances: -discriminator(real, chances),
    "gan_generator": generator,
    "gan_generator_nonsaturating": nonsaturating,
}
CRITICS: dict[str, tuple[Callable[[Real], Real], Callable[[Real], Real]]] = {
    "lsgan_discriminator": (lambda f: (f - 1) ** 2 / 2, lambda f: f * f / 2),
    "lsgan_generator": (nothing, lambda f: (f - 1) ** 2 / 2),
    "wgan_critic": (lambda f: -f, lambda f: f),
    "wgan_generator": (nothing, lambda f: -f),
    "hinge_gan_discriminator": (lambda f: max(1 - f, mp.mpf(0)), lambda f: max(1 + f, mp.mpf(0))),
    "hinge_gan_generator": (nothing, lambda f: -f),
}
CASES = (
    *(Exact(name, PROBABILITIES, of_probability(cost), digits=400) for name, cost in GAMES.items()),
    *(Exact(name, LOGITS, of_logit(cost), "sigmoid", digits=400) for name, cost in GAMES.items()),
    *(Exact(name, SCORES, of_score(*costs), digits=700) for name, costs in CRITICS.items()),
)
