"""Losses of adversarial training with scores; target 1 is a real row, 0 a generated one, pred is the score f(x)."""

from __future__ import annotations

from typing import Any

import numpy as np

from lossctl.core.batch import Batch
from lossctl.core.loss import Loss, Part, Peer, differs, same
from lossctl.losses.adversarial import APART, GENERATED, UNRANKED, game, generated, real
from lossctl.losses.forms import CRITIC
from lossctl.losses.observed import expected
from lossctl.numerics.array import Array

MAO = "Mao et al. 2017, arXiv:1611.04076"
ARJOVSKY = "Arjovsky et al. 2017, arXiv:1701.07875"
LIM = "Lim & Ye 2017, arXiv:1705.02894"


def above_one(batch: Batch) -> Array:
    """½ (f - 1)² on real rows."""
    return 0.5 * expected(real(batch), np.square(batch.pred - 1.0))


def above_zero(batch: Batch) -> Array:
    """½ f² on generated rows."""
    return 0.5 * expected(generated(batch), np.square(batch.pred))


def generated_above_one(batch: Batch) -> Array:
    """½ (f - 1)² on generated rows."""
    return 0.5 * expected(generated(batch), np.square(batch.pred - 1.0))


def minus_real(batch: Batch) -> Array:
    """-f on real rows."""
    return -real(batch) * batch.pred


def plus_generated(batch: Batch) -> Array:
    """f on generated rows."""
    return generated(batch) * batch.pred


def minus_generated(batch: Batch) -> Array:
    """-f on generated rows."""
    return -generated(batch) * batch.pred


def real_margin(batch: Batch) -> Array:
    """max(0, 1 - f) on real rows."""
    return real(batch) * np.maximum(1.0 - batch.pred, 0.0)


def generated_margin(batch: Batch) -> Array:
    """max(0, 1 + f) on generated rows."""
    return generated(batch) * np.maximum(1.0 + batch.pred, 0.0)


def of_critic(
    name: str, of_real: Part | None, of_generated: Part, *, elsewhere: tuple[Peer, ...] = (), **facts: Any
) -> Loss:
    """Declare a loss of scores, which no library of losses has by name."""
    own = (same("the paper", name.replace("_", " ")), *elsewhere)
    return game(name, of_real, of_generated, forms=(CRITIC,), elsewhere=own, **facts)


lsgan_discriminator = of_critic(
    "lsgan_discriminator",
    above_one,
    above_zero,
    gradient=lambda batch: batch.pred - real(batch),
    summary="Discriminator loss of a least-squares GAN.",
    doc=f"The labels are 1 for real and 0 for generated rows. {APART}",
    formula="½ mean over real of (f(x) - 1)² + ½ mean over generated of f(x)²",
    unit="1",
    source=MAO,
    use="Training that saturates less than with logarithms: rows far on the right side are pulled back too.",
    avoid=UNRANKED.format("generator"),
    elsewhere=(differs("MONAI", "PatchAdversarialLoss(criterion='least_squares')", "without ½, one kind at a time"),),
)

lsgan_generator = of_critic(
    "lsgan_generator",
    None,
    generated_above_one,
    gradient=lambda batch: generated(batch) * (batch.pred - 1.0),
    summary="Generator loss of a least-squares GAN.",
    doc=GENERATED,
    formula="½ mean over generated of (f(x) - 1)²",
    unit="1",
    source=MAO,
    use="Training the generator of a least-squares GAN.",
    avoid=UNRANKED.format("discriminator"),
    elsewhere=(same("MONAI", "PatchAdversarialLoss(criterion='least_squares')", factor=2.0, note="generated rows"),),
)

wgan_critic = of_critic(
    "wgan_critic",
    minus_real,
    plus_generated,
    gradient=lambda batch: generated(batch) - real(batch),
    summary="Critic loss of a Wasserstein GAN: the negated difference of the mean scores.",
    doc="Minus an estimate of the Wasserstein distance, if the critic is 1-Lipschitz; without gradient penalty.\n"
    f"{APART}",
    formula="mean over generated of f(x) - mean over real of f(x)",
    unit="that of the score",
    source=ARJOVSKY,
    use="To watch training: its size falls as generated rows come nearer to real ones.",
    avoid="Critics of different scale, or that are not Lipschitz. It gets no best mark.",
)

wgan_generator = of_critic(
    "wgan_generator",
    None,
    minus_generated,
    gradient=lambda batch: -generated(batch),
    summary="Generator loss of a Wasserstein GAN: minus the mean score of generated rows.",
    doc=f"{GENERATED} The generator loss of a hinge GAN is the same.",
    formula="-mean over generated of f(x)",
    unit="that of the score",
    source=ARJOVSKY,
    use="Training the generator of a Wasserstein GAN.",
    avoid="Reporting: the score has no origin (wgan_critic).",
)

hinge_gan_discriminator = of_critic(
    "hinge_gan_discriminator",
    real_margin,
    generated_margin,
    gradient=lambda batch: generated(batch) * (batch.pred > -1.0) - real(batch) * (batch.pred < 1.0),
    subgradient="0 where the margin is just kept",
    summary="Discriminator loss of a hinge GAN.",
    doc=APART,
    formula="mean over real of max(0, 1 - f(x)) + mean over generated of max(0, 1 + f(x))",
    unit="1",
    source=LIM,
    use="Training that leaves rows alone that are told apart by a margin already, as in SAGAN and BigGAN.",
    avoid=UNRANKED.format("generator"),
    elsewhere=(differs("MONAI", "PatchAdversarialLoss(criterion='hinge')", "takes one kind at a time"),),
)

hinge_gan_generator = of_critic(
    "hinge_gan_generator",
    None,
    minus_generated,
    gradient=lambda batch: -generated(batch),
    summary="Generator loss of a hinge GAN: minus the mean score of generated rows.",
    doc=f"{GENERATED} The generator loss of a Wasserstein GAN is the same.",
    formula="-mean over generated of f(x)",
    unit="that of the score",
    source=LIM,
    use="Training the generator of a hinge GAN.",
    avoid="Reporting: the score has no origin (hinge_gan_discriminator).",
)
