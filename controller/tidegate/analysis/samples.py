"""How many candidate requests a decision takes. The arithmetic lies in spec/samples.py: the rules need it, too.

Neighbours: opinion.py (the effect seen), the plan (effects worth knowing about before the start).
"""

from __future__ import annotations

from tidegate.spec.samples import (
    bernoulli_kl,
    decisions,
    detectable,
    nats_needed,
    rates_information,
    samples_needed,
)

__all__ = ["bernoulli_kl", "decisions", "detectable", "nats_needed", "rates_information", "samples_needed"]
