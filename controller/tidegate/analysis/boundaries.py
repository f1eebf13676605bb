"""Time-uniform boundaries: how far a sum may stray from its mean, at any time at all, with probability alpha.

Neighbours: intervals.py and effects.py make confidence sequences of them. Sources: Howard, Ramdas, McAuliffe, Sekhon,
"Time-uniform, nonparametric, nonasymptotic confidence sequences" (Annals of Statistics 2021), [CS] below; Howard and
Ramdas, "Sequential estimation of quantiles" (Bernoulli 2022), [Q]. The names are those of their package confseq, whose
published test values tests/analysis/test_known_values.py reproduces.

`s` is the sum's deviation from its mean, `v` its intrinsic time (a variance), `v_opt` the one at which the boundary is
tightest for `alpha_opt`, `c` the scale of single deviations. Mixtures give the log of a supermartingale that begins at 1;
bounds give the `s` at which it reaches 1/alpha. All raise ValueError outside their domains.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.optimize import brentq, minimize_scalar
from scipy.special import betainc, betaln, gammainc, gammaincc, log_ndtr, zeta

_TINY = 1e-300


def normal_rho(v_opt: float, alpha_opt: float = 0.05, *, one_sided: bool = False) -> float:
    """The mixture's precision that is best at `v_opt` ([CS] proposition 3, its asymptotic form)."""
    _check(v_opt, alpha_opt)
    level = math.log(1 / (2 * alpha_opt if one_sided else alpha_opt))
    return v_opt / (2 * level + math.log1p(2 * level))


def normal_log_mixture(s: float, v: float, v_opt: float, alpha_opt: float = 0.05, *, one_sided: bool = True) -> float:
    """log of the normal mixture, for sub-Gaussian sums ([CS] propositions 4 and 5)."""
    rho = normal_rho(v_opt, alpha_opt, one_sided=one_sided)
    two = 0.5 * math.log(rho / (v + rho)) + s * s / (2 * (v + rho))
    return two + math.log(2) + float(log_ndtr(s / math.sqrt(v + rho))) if one_sided else two


def normal_mixture_bound(
    v: float, alpha: float, v_opt: float, alpha_opt: float = 0.05, *, one_sided: bool = True
) -> float:
    """The normal mixture's boundary; for the two-sided one, of both sides together at `alpha`."""
    rho = normal_rho(v_opt, alpha_opt, one_sided=one_sided)
    two = math.sqrt((v + rho) * (math.log1p(v / rho) + 2 * _level(alpha)))
    if not one_sided:
        return two
    return _bound(lambda s: normal_log_mixture(s, v, v_opt, alpha_opt), alpha, v)


def gamma_exponential_log_mixture(s: float, v: float, v_opt: float, c: float, alpha_opt: float = 0.05) -> float:
    """log of the gamma-exponential mixture, for sub-exponential sums, one side ([CS] proposition 9).

    With c = 1 and v the sum of squared deviations from any predictable guess, it holds for values in [0, 1] ([CS]
    theorem 4, the empirical Bernstein boundary).
    """
    rho, cc = normal_rho(v_opt, alpha_opt, one_sided=True) / (c * c), c * c
    start = rho * math.log(rho) - math.lgamma(rho) - _log(gammainc(rho, rho))
    shape, reach = v / cc + rho, (c * s + v) / cc
    tail = _log(gammainc(shape, reach + rho))
    return start + math.lgamma(shape) + tail - shape * math.log(reach + rho) + reach


def gamma_exponential_mixture_bound(v: float, alpha: float, v_opt: float, c: float, alpha_opt: float = 0.05) -> float:
    """The gamma-exponential mixture's boundary."""
    return _bound(lambda s: gamma_exponential_log_mixture(s, v, v_opt, c, alpha_opt), alpha, v)


def gamma_poisson_log_mixture(s: float, v: float, v_opt: float, c: float, alpha_opt: float = 0.05) -> float:
    """log of the gamma-Poisson mixture, for sub-Poisson sums, one side ([CS] proposition 10)."""
    rho, cc = normal_rho(v_opt, alpha_opt, one_sided=True) / (c * c), c * c
    start = rho * math.log(rho) - math.lgamma(rho) - _log(gammaincc(rho, rho))
    base = v / cc + rho
    shape = s / c + base
    return start + math.lgamma(shape) + _log(gammaincc(shape, base)) - shape * math.log(base) + v / cc


def gamma_poisson_mixture_bound(v: float, alpha: float, v_opt: float, c: float, alpha_opt: float = 0.05) -> float:
    """The gamma-Poisson mixture's boundary."""
    return _bound(lambda s: gamma_poisson_log_mixture(s, v, v_opt, c, alpha_opt), alpha, v)


def beta_binomial_log_mixture(
    s: float, v: float, v_opt: float, g: float, h: float, alpha_opt: float = 0.05, *, one_sided: bool = True
) -> float:
    """log of the beta-binomial mixture, for sums of steps in [-g, h] ([CS] propositions 7 and 8).

    For n Bernoulli outcomes of rate p: g = p, h = 1 - p, v = p (1 - p) n.
    """
    r = max(normal_rho(v_opt, alpha_opt, one_sided=one_sided) - g * h, 1e-3 * g * h)
    whole, x = g + h, h / (g + h) if one_sided else 1.0
    start = _log_beta_part(r / (g * whole), r / (h * whole), x)
    now = _log_beta_part((r + v - g * s) / (g * whole), (r + v + h * s) / (h * whole), x)
    heads, tails = (v + h * s) / (h * whole), (v - g * s) / (g * whole)
    return v / (g * h) * math.log(whole) - heads * math.log(g) - tails * math.log(h) + now - start


def beta_binomial_mixture_bound(
    v: float, alpha: float, v_opt: float, g: float, h: float, alpha_opt: float = 0.05, *, one_sided: bool = True
) -> float:
    """The beta-binomial mixture's boundary; never beyond v/g, where every step was the largest."""

    def mixture(s: float) -> float:
        return beta_binomial_log_mixture(s, v, v_opt, g, h, alpha_opt, one_sided=one_sided)

    most = v / g
    return most if mixture(most) < _level(alpha) else _bound(mixture, alpha, v, most)


def poly_stitching_bound(
    v: float, alpha: float, v_min: float, c: float = 0.0, s: float = 1.4, eta: float = 2.0
) -> float:
    """The stitched boundary, of iterated-logarithm rate, for sub-gamma sums ([CS] theorem 1, equation 10)."""
    _check(v_min, alpha)
    k1, k2 = (eta**0.25 + eta**-0.25) / math.sqrt(2), (math.sqrt(eta) + 1) / 2
    used = max(v, v_min)
    level = s * math.log(math.log(eta * used / v_min)) + math.log(zeta(s) / math.log(eta) ** s) + _level(alpha)
    scaled = k2 * c * level
    return math.sqrt(k1 * k1 * used * level + scaled * scaled) + scaled


def empirical_process_lil_bound(t: float, alpha: float, t_min: float, a: float = 0.85) -> float:
    """How far an empirical distribution may lie from the true one, over all values and times from t_min on ([Q] theorem 2).

    Infinite before t_min. `a` > 1/sqrt(2) is the leading constant.
    """
    _check(t_min, alpha)
    if a <= math.sqrt(0.5):
        raise ValueError("the leading constant must be above 0.707")
    if t < t_min:
        return math.inf

    def chance(c: float, eta: float) -> float:
        gamma = 2 / eta * (a - math.sqrt(2 * (eta - 1) / c)) ** 2
        return math.inf if gamma <= 1 else 4 * math.exp(-gamma * c) * (1 + 1 / ((gamma - 1) * math.log(eta)))

    def best(c: float) -> float:
        top = brentq(lambda eta: math.sqrt(eta / 2) + math.sqrt(2 * (eta - 1) / c) - a, 1.0, 2 * a * a)
        found = minimize_scalar(lambda eta: chance(c, eta), bounds=(1 + 1e-12, top), method="bounded")
        return float(found.fun) - alpha

    high = 5.0
    while best(high) > 0:
        high *= 2
    c = float(brentq(best, high / 2 if high > 5 else 1.0, high, xtol=1e-10))
    return a * math.sqrt((math.log1p(math.log(t / t_min)) + c) / t)


def double_stitching_bound(
    p: float, t: float, alpha: float, t_opt: float, delta: float = 0.5, s: float = 1.4, eta: float = 2.0
) -> float:
    """How many of t outcomes may fall beyond their p-quantile in excess, over all p and times ([Q] theorem 3)."""
    _check(t_opt, alpha)
    if not 0 < p < 1:
        raise ValueError("a quantile lies between 0 and 1")
    k1, k2 = (eta**0.25 + eta**-0.25) / math.sqrt(2), (math.sqrt(eta) + 1) / 2
    used, logit = max(t, t_opt), math.log(p / (1 - p))
    r = p if p >= 0.5 else min(0.5, 1 / (1 + math.exp(-logit - 2 * delta * math.sqrt(t_opt * eta / used))))
    spread, grid = r * (1 - r), math.sqrt(used / t_opt) * abs(logit) / (2 * delta) + 1
    zeta_s = float(zeta(s))
    level = s * math.log(math.log(eta * used / t_opt)) + s * math.log(grid)
    level += math.log(2 * zeta_s * (2 * zeta_s + 1) / (alpha * math.log(eta) ** s))
    scaled = k2 * (1 - 2 * p) / 3 * level
    root = math.sqrt(k1 * k1 * spread * used * level + scaled * scaled)
    return delta * math.sqrt(eta * used * spread / t_opt) + root + scaled


def _bound(mixture: Callable[[float], float], alpha: float, v: float, most: float | None = None) -> float:
    level = _level(alpha)
    high = max(v, 1.0) if most is None else most
    while most is None and mixture(high) < level:
        high *= 2
    return float(brentq(lambda s: mixture(s) - level, 0.0, high, xtol=1e-10, rtol=1e-12))


def _log_beta_part(a: float, b: float, x: float) -> float:
    whole = float(betaln(a, b))
    return whole if x >= 1 else whole + _log(betainc(a, b, x))


def _log(value: float | np.floating[Any]) -> float:
    return math.log(max(float(value), _TINY))


def _level(alpha: float) -> float:
    return math.log(1 / alpha)


def _check(v_opt: float, alpha: float) -> None:
    if v_opt <= 0 or not 0 < alpha < 1:
        raise ValueError("an intrinsic time must be above 0, and alpha between 0 and 1")
