"""Adversarial training: probabilities and logits at both ends, scores near the margins and of any size."""

from __future__ import annotations

from collections.abc import Callable

from tests.accuracy import Exact, Real, around, both_signs, grid, mp

Told = tuple[Real, Real]  # D and 1 - D


def log_of(p: Real, other: Real) -> Real:
    return mp.log1p(-other) if other < 0.1 else mp.log(p)


def discriminator(real: float, told: Told) -> Real:
    return -log_of(*(told if real else told[::-1]))


def value(real: float, told: Told) -> Real:
    return -discriminator(real, told)


def generator(real: float, told: Told) -> Real:
    return mp.mpf(0) if real else log_of(*told[::-1])


def nonsaturating(real: float, told: Told) -> Real:
    return mp.mpf(0) if real else -log_of(*told)


def natural(p: float) -> Told:
    return mp.mpf(p), 1 - mp.mpf(p)


def sigmoid(z: float) -> Told:
    return 1 / (1 + mp.exp(-mp.mpf(z))), 1 / (1 + mp.exp(mp.mpf(z)))


def of_probability(cost: Callable[[float, Told], Real], told: Callable[[float], Told]) -> Callable[..., Real]:
    def exact(target: float, pred: float) -> Real:
        with mp.workdps(400):
            return cost(target, told(pred))

    return exact


def of_score(real: Callable[[Real], Real], generated: Callable[[Real], Real]) -> Callable[..., Real]:
    def exact(target: float, pred: float) -> Real:
        with mp.workdps(500):
            return (real if target else generated)(mp.mpf(pred))

    return exact


def nothing(f: Real) -> Real:
    return mp.mpf(0)


PROBABILITIES = grid(target=[0.0, 1.0], pred=[1e-300, 1e-9, 0.1, 0.5, 0.9, 1.0 - 1e-9, *around(1.0)[:1]])
LOGITS = grid(target=[0.0, 1.0], pred=[0.0, *both_signs([1e4, 800.0, 36.0, 17.3, 2.5, 0.3, 1e-9])])
SCORES = grid(
    target=[0.0, 1.0], pred=[0.0, *around(1.0), *around(-1.0), *both_signs([1e-100, 1e-9, 0.3, 2.5, 1e9, 1e100])]
)
GAMES = {
    "gan_discriminator": discriminator,
    "gan_value": value,
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
    *(Exact(name, PROBABILITIES, of_probability(cost, natural)) for name, cost in GAMES.items()),
    *(Exact(name, LOGITS, of_probability(cost, sigmoid), activation="sigmoid") for name, cost in GAMES.items()),
    *(Exact(name, SCORES, of_score(*costs)) for name, costs in CRITICS.items()),
)
