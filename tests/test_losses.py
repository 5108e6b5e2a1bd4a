"""Losses against sums written out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from unveil.rl import losses
from unveil.rl.losses import adapted, averaged, clip_share, clipped_policy, clipped_value, importance
from unveil.train.losses import anchor, kl_terms, preference
from unveil.vlm.scorer import token_logps

LOG2, LOG3 = math.log(2), math.log(3)


def slope(loss: torch.Tensor, at: torch.Tensor) -> list[float]:
    (gradient,) = torch.autograd.grad(loss.sum(), at)
    return gradient.tolist()


# -------------------------------------------------------------------------------------------------------------- tokens


def test_token_logps_of_each_target() -> None:
    """Logits (0, 0) give log 1/2 for either token; (log 3, 0) gives p = 3/4, 1/4: -0.28768 and -1.38629."""
    even, odd = [0.0, 0.0], [LOG3, 0.0]
    got = token_logps(torch.tensor([even, odd, even, odd]), torch.tensor([1, 1, 0, 0]))
    assert got.tolist() == pytest.approx([-LOG2, -1.38629, -LOG2, -0.28768], abs=1e-5)


def test_token_logps_gradient() -> None:
    """d/dz of log softmax is 1 - p for the target and -p for the others; each token's own logits only."""
    logits = torch.tensor([[0.0, 0.0], [LOG3, 0.0]], requires_grad=True)
    logps = token_logps(logits, torch.tensor([1, 0]))
    (first,) = torch.autograd.grad(logps[0], logits, retain_graph=True)
    assert first.tolist() == [[-0.5, 0.5], [0.0, 0.0]]
    assert slope(logps, logits)[1] == pytest.approx([0.25, -0.25])


def test_token_logps_of_nothing_are_none() -> None:
    got = token_logps(torch.randn(0, 5), torch.zeros(0, dtype=torch.long))
    assert got.shape == (0,) and float(got.sum()) == 0.0


def test_token_logps_are_computed_in_float32() -> None:
    """300 tokens of log 8 = 2.0794 make 623.83; bfloat16 holds no number between 622 and 624 but these steps of 4."""
    logps = token_logps(torch.zeros(300, 8, dtype=torch.bfloat16), torch.zeros(300, dtype=torch.long))
    assert logps.dtype == torch.float32
    assert float(logps.sum()) == pytest.approx(-300 * math.log(8), rel=1e-6)


def test_token_logps_of_large_logits_are_finite() -> None:
    """exp(1000) is more than float32 holds: the one token has log p = 0, the other -1000."""
    logits = torch.tensor([[1000.0, 0.0], [1000.0, 0.0]])
    assert token_logps(logits, torch.tensor([0, 1])).tolist() == [0.0, -1000.0]


# --------------------------------------------------------------------------------------------------------- preferences


def test_sigmoid_by_hand() -> None:
    """sigmoid(log 3) = 3/4: the losses at gains of 0, log 3 and -log 3 are log 2, log 4/3 and log 4.

    The slope is sigmoid - 1: -1/2, -1/4 and -3/4.
    """
    gains = torch.tensor([0.0, LOG3, -LOG3], requires_grad=True)
    loss = preference(gains)
    assert loss.tolist() == pytest.approx([LOG2, math.log(4 / 3), math.log(4)])
    assert slope(loss, gains) == pytest.approx([-0.5, -0.25, -0.75])


def test_smoothing_by_hand() -> None:
    """One pair in ten the wrong way round: at log 3, 0.9 log 4/3 + 0.1 log 4 = 0.25891 + 0.13863 = 0.39754.

    Slope -0.9 (1 - sigmoid) + 0.1 sigmoid = -0.225 + 0.075 = -0.15 there, and 0 where sigmoid is 0.9, at log 9.
    """
    gains = torch.tensor([LOG3, math.log(9)], requires_grad=True)
    loss = preference(gains, "sigmoid", 0.1)
    assert loss[0].tolist() == pytest.approx(0.39754, abs=1e-5)
    assert slope(loss, gains) == pytest.approx([-0.15, 0.0], abs=1e-6)
    assert preference(torch.tensor([LOG3, -LOG3]), smoothing=0.5).tolist() == pytest.approx([math.log(16 / 3) / 2] * 2)


def test_hinge_by_hand() -> None:
    """1 - gains, and nothing above gains of 1."""
    gains = torch.tensor([-1.0, 0.0, 0.5, 2.0], requires_grad=True)
    loss = preference(gains, "hinge")
    assert loss.tolist() == [2.0, 1.0, 0.5, 0.0]
    assert slope(loss, gains) == [-1.0, -1.0, -1.0, 0.0]


def test_ipo_by_hand() -> None:
    """Log ratios h of 0, 5 and 7 at beta 0.1: the paper's (h - 1 / (2 beta))^2 is 25, 0 and 4, a hundredth of it ours.

    The slope is 2 (gains - 1/2): -1, 0 and 0.4.
    """
    gains = torch.tensor([0.0, 0.5, 0.7], requires_grad=True)
    loss = preference(gains, "ipo")
    assert loss.tolist() == pytest.approx([0.25, 0.0, 0.04])
    assert slope(loss, gains) == pytest.approx([-1.0, 0.0, 0.4])


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_far_gains_stay_finite(smoothing: float) -> None:
    """log sigmoid(-1000) is -1000, not the logarithm of a 0."""
    gains = torch.tensor([-1000.0, 1000.0], requires_grad=True)
    loss = preference(gains, "sigmoid", smoothing)
    assert loss.tolist() == pytest.approx([1000 * (1 - smoothing), 1000 * smoothing])
    assert slope(loss, gains) == pytest.approx([smoothing - 1, smoothing])


def test_an_unknown_form_is_refused() -> None:
    with pytest.raises(ValueError, match="no preference loss 'kto': one of sigmoid, hinge, ipo"):
        preference(torch.zeros(1), "kto")


def test_anchor_by_hand() -> None:
    """-log sigmoid at 0, log 3 and -log 3, slope sigmoid - 1: it pulls most where the answer became less likely."""
    gains = torch.tensor([0.0, LOG3, -LOG3], requires_grad=True)
    loss = anchor(gains)
    assert loss.tolist() == pytest.approx([LOG2, math.log(4 / 3), math.log(4)])
    assert slope(loss, gains) == pytest.approx([-0.5, -0.25, -0.75])


# ------------------------------------------------------------------------------------------------------------ distance


def kl_estimate(policy: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    return kl_terms(policy, reference).mean()


def test_kl_estimate_by_hand() -> None:
    """Token by token: d = -log 2 gives 1/2 - 1 + log 2 = 0.19315, d = log 2 gives 2 - 1 - log 2 = 0.30685; mean 1/4.

    Its slope is (1 - exp(d)) / 2 tokens: 1/4 and -1/2, towards the reference from either side.
    """
    policy = torch.tensor([0.5, 0.25]).log().requires_grad_()
    reference = torch.tensor([0.25, 0.5]).log()
    assert kl_estimate(policy[:1], reference[:1]).tolist() == pytest.approx(1 / 2 - 1 + LOG2, abs=1e-6)
    assert kl_estimate(policy, reference).tolist() == pytest.approx(0.25, abs=1e-6)
    assert slope(kl_estimate(policy, reference), policy) == pytest.approx([0.25, -0.5])
    assert kl_estimate(policy, policy).tolist() == 0.0


def test_kl_estimate_is_unbiased() -> None:
    """Policy (3/4, 1/4), reference (1/2, 1/2): KL = 3/4 log 3/2 + 1/4 log 1/2 = 0.13081.

    Three tokens of the one kind and one of the other, as the policy draws them on average, give just that.
    """
    policy = torch.tensor([3 / 4, 3 / 4, 3 / 4, 1 / 4]).log()
    assert float(kl_estimate(policy, torch.full((4,), -LOG2))) == pytest.approx(0.130812, abs=1e-6)


def test_kl_terms_by_hand() -> None:
    """As above, one by one, and 0 where both agree. The slope of each is 1 - exp(d): 1/2, -1 and 0."""
    policy = torch.tensor([0.5, 0.25, 0.3]).log().requires_grad_()
    terms = kl_terms(policy, torch.tensor([0.25, 0.5, 0.3]).log())
    assert terms.tolist() == pytest.approx([0.19315, 0.30685, 0.0], abs=1e-5)
    assert slope(terms, policy) == pytest.approx([0.5, -1.0, 0.0], abs=1e-6)


@pytest.mark.parametrize("reference", [(1 / 2, 1 / 2), (2 / 5, 3 / 5), (3 / 4, 1 / 4), (1 / 100, 99 / 100)])
def test_kl_terms_are_unbiased_over_all_tokens(reference: tuple[float, float]) -> None:
    """sum pi (ref / pi - 1 - log ref / pi) = 1 - 1 + sum pi log pi / ref: the divergence itself, term by term >= 0."""
    policy = (3 / 4, 1 / 4)
    terms = kl_terms(torch.tensor(policy).double().log(), torch.tensor(reference).double().log())
    expected = sum(p * math.log(p / r) for p, r in zip(policy, reference, strict=True))
    assert sum(p * k for p, k in zip(policy, terms.tolist(), strict=True)) == pytest.approx(expected, abs=1e-7)
    assert float(terms.min()) >= 0


# ----------------------------------------------------------------------------------------------------- policy gradients


def at_ratios(ratios: list[float], advantage: float, *clip: float) -> tuple[list[float], list[float]]:
    """Losses of tokens whose probability has changed by these ratios since 1/5, and their slopes."""
    old = torch.full((len(ratios),), 0.2).log()
    logps = (old + torch.tensor(ratios).log()).requires_grad_()
    loss = clipped_policy(logps, old, torch.full_like(old, advantage), *clip)
    return loss.tolist(), slope(loss, logps)


def test_clipped_policy_of_a_good_token() -> None:
    """A = 2 at ratios 0.5, 1, 1.1, 1.3: -min(2 rho, 2 clip) = -1, -2, -2.2 and -2.4.

    The slope is -A rho, so -A at 1; beyond 1.2 it is 0: the token is likely enough. Below 0.8 it is alive.
    """
    loss, gradient = at_ratios([0.5, 1.0, 1.1, 1.3], 2.0)
    assert loss == pytest.approx([-1.0, -2.0, -2.2, -2.4])
    assert gradient == pytest.approx([-1.0, -2.0, -2.2, 0.0])


def test_clipped_policy_of_a_bad_token() -> None:
    """A = -2 at ratios 0.5, 0.9, 1, 1.3: 2 max(rho, clip) = 1.6, 1.8, 2 and 2.6.

    Below 0.8 the slope is 0: the token is unlikely enough. Above 1.2 it is alive, since it became likelier.
    """
    loss, gradient = at_ratios([0.5, 0.9, 1.0, 1.3], -2.0)
    assert loss == pytest.approx([1.6, 1.8, 2.0, 2.6])
    assert gradient == pytest.approx([0.0, 1.8, 2.0, 2.6])


def test_clipped_policy_of_a_token_that_is_neither() -> None:
    assert at_ratios([0.5, 1.0, 1.3], 0.0)[1] == [0.0, 0.0, 0.0]


def test_clip_higher_moves_one_side_only() -> None:
    """At 1.25 a good token goes on growing under a bound of 1.28; at 0.75 a bad one is held at 0.8 by either."""
    assert at_ratios([1.25], 1.0) == (pytest.approx([-1.2]), [0.0])
    assert at_ratios([1.25], 1.0, 0.2, 0.28) == (pytest.approx([-1.25]), pytest.approx([-1.25]))
    assert at_ratios([1.3], 1.0, 0.2, 0.28) == (pytest.approx([-1.28]), [0.0])
    assert at_ratios([0.75], -1.0, 0.2, 0.28) == at_ratios([0.75], -1.0) == (pytest.approx([0.8]), [0.0])


def test_each_token_has_its_own_advantage() -> None:
    """Ratio 1 and advantages 1, -3: the losses are -1 and 3, the slopes the same."""
    old = torch.tensor([0.5, 0.1]).log()
    logps = old.clone().requires_grad_()
    loss = clipped_policy(logps, old, torch.tensor([1.0, -3.0]))
    assert loss.tolist() == slope(loss, logps) == [-1.0, 3.0]


def test_clipped_value_by_hand() -> None:
    """V moved from 1 to 1.5, held at 1.2. Return 2: max(0.5^2, 0.8^2) / 2 = 0.32. Return 0: max(1.5^2, 1.2^2) / 2.

    Slopes: 0 in the first, where it has come closer fast enough; 1.5 in the second, where it has gone away.
    """
    values = torch.tensor([1.5, 1.5], requires_grad=True)
    loss = clipped_value(values, torch.ones(2), torch.tensor([2.0, 0.0]))
    assert loss.tolist() == pytest.approx([0.32, 1.125])
    assert slope(loss, values) == [0.0, 1.5]


def test_clipped_value_inside_and_without_the_clip() -> None:
    """V 1.1 from 1 is inside: 0.9^2 / 2 = 0.405, slope V - R = -0.9. Without a clip 0.5^2 / 2 = 0.125, slope -0.5."""
    values, returns = torch.tensor([1.1], requires_grad=True), torch.tensor([2.0])
    loss = clipped_value(values, torch.ones(1), returns)
    assert loss.tolist() == pytest.approx([0.405])
    assert slope(loss, values) == pytest.approx([-0.9])
    values = torch.tensor([1.5], requires_grad=True)
    loss = clipped_value(values, torch.ones(1), returns, clip=None)
    assert loss.tolist() == [0.125] and slope(loss, values) == [-0.5]


def test_clip_share_is_that_of_slopes_that_are_0() -> None:
    """Of ratios 1.3 and 0.7 under advantages 1, -1 and 0, cut off are 1.3 under 1 and 0.7 under -1: 2 of 6.

    A bound of 1.4 leaves the latter.
    """
    old = torch.zeros(6)
    logps = torch.tensor([1.3, 0.7] * 3).log()
    advantages = torch.tensor([1.0, 1.0, -1.0, -1.0, 0.0, 0.0])
    assert float(clip_share(logps, old, advantages)) == pytest.approx(1 / 3)
    assert float(clip_share(logps, old, advantages, 0.2, 0.4)) == pytest.approx(1 / 6)
    assert float(clip_share(old, old, advantages)) == 0.0


def test_means_over_tokens_and_over_answers() -> None:
    """An answer of one token, 4, and one of three, 0, 1 and 2: 7 / 4 over tokens, (4 + 1) / 2 over answers.

    Their slopes: 1/4 each; 1/2 for the lone token and 1/6 for each of the three. Tokens may come in any order, and a
    row without tokens is no answer.
    """
    terms, rows = torch.tensor([1.0, 4.0, 0.0, 2.0], requires_grad=True), torch.tensor([2, 0, 2, 2])
    assert averaged(terms, rows, 3).tolist() == 7 / 4
    assert slope(averaged(terms, rows, 3), terms) == [1 / 4] * 4
    assert averaged(terms, rows, 3, "sequence").tolist() == pytest.approx(5 / 2)
    assert slope(averaged(terms, rows, 3, "sequence"), terms) == pytest.approx([1 / 6, 1 / 2, 1 / 6, 1 / 6])


def test_an_unknown_mean_is_refused() -> None:
    with pytest.raises(ValueError, match="no mean over 'batch': one of token, sequence"):
        averaged(torch.zeros(1), torch.zeros(1, dtype=torch.long), 1, "batch")


def test_importance_is_truncated_above() -> None:
    """pi_old / mu of 1, 3/2, 4 and 1/4: 4 becomes 2, or what is asked for; small weights stay."""
    old, sampled = torch.tensor([0.2, 0.3, 0.4, 0.1]).log(), torch.tensor([0.2, 0.2, 0.1, 0.4]).log()
    assert importance(old, sampled).tolist() == pytest.approx([1.0, 1.5, 2.0, 0.25])
    assert importance(old, sampled, 1.2).tolist() == pytest.approx([1.0, 1.2, 1.2, 0.25])


@pytest.mark.parametrize(
    ("kl", "factor"), [(0.11, 1.01), (0.1, 1.0), (0.09, 0.99), (0.12, 1.02), (9.0, 1.02), (0.0, 0.98)]
)
def test_the_coefficient_of_kl_follows_its_target(kl: float, factor: float) -> None:
    """A tenth of the relative error, which counts 1/5 at the most: 10 % above raises by 1 %, however far by 2 %."""
    assert adapted(0.5, kl, 0.1) == pytest.approx(0.5 * factor)


def test_the_gain_of_the_coefficient() -> None:
    """Half of an error of 1/5: 1.1."""
    assert adapted(2.0, 1.0, 0.1, gain=0.5) == pytest.approx(2.2)


# ------------------------------------------------------------------------------------------------------------- formulas


def test_importance_of_what_is_not_known() -> None:
    """pi_old / mu is 0.5 / 0.25 = 2, 0.5 / 0.1 = 5, cut to 2, and not known, which counts 1.

    Of the two that are known one is cut: 1/2. Mismatch is (log 2 + log 5) / 2 = log(10) / 2.
    """
    old = torch.log(torch.tensor([0.5, 0.5, 0.5]))
    sampled = torch.tensor([math.log(0.2500001), math.log(0.1), math.nan])
    torch.testing.assert_close(losses.importance(old, sampled), torch.tensor([2.0, 2.0, 1.0]))
    assert float(losses.importance_cut(old, sampled)) == 0.5
    assert float(losses.mismatch(old, sampled)) == pytest.approx(math.log(10) / 2)
    nothing = torch.full((3,), math.nan)
    assert math.isnan(losses.mismatch(old, nothing)) and math.isnan(losses.importance_cut(old, nothing))
