"""A file must declare the kind that its folder is for.

`models/<model>/model.yaml` is a Model, `versions/` holds ModelVersion, `configs/` InferenceConfig, `deployment.yaml`
and `deployments/<environment>.yaml` a Deployment, `policies/` RolloutPolicy, `policies/governance.yaml` Governance,
`policies/prices.yaml` Prices, and `tidegate.yaml` a Controller.
"""

from __future__ import annotations

from tidegate.rules.rule import Example, unreadable

RULE = unreadable(
    "wrong-kind",
    __doc__,
    bad=(Example("models/digits/deployment.yaml", "kind: Model\n", "kind: Deployment\n", at="Model\n"),),
    good=(Example("models/digits/deployment.yaml", "kind: Deployment # what runs\n", "kind: Deployment\n"),),
)
