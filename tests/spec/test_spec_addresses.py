"""What is below an address: the same scheme, host and port, and a path that leads nowhere else."""

from __future__ import annotations

import pytest

from tidegate.spec.addresses import is_below


@pytest.mark.parametrize(
    ("url", "address", "below"),
    [
        ("https://a.example.com/v1", "https://a.example.com", True),
        ("https://a.example.com:443/v1", "https://A.example.com/v1/", True),
        ("https://a.example.com/v1/x?y=1", "https://a.example.com/v1", True),
        ("https://a.example.com/v10", "https://a.example.com/v1", False),
        ("https://a.example.com/v1/../admin", "https://a.example.com/v1", False),
        ("https://a.example.com/v1/%2e%2e/admin", "https://a.example.com/v1", False),
        ("http://a.example.com/v1", "https://a.example.com/v1", False),
        ("https://a.example.com:8443/v1", "https://a.example.com/v1", False),
        ("https://a.example.com@b.example.com/v1", "https://a.example.com/v1", False),
        ("https://a.example.com.b.example.com/v1", "https://a.example.com/v1", False),
    ],
)
def test_only_what_is_below_an_address_is_found_below_it(url: str, address: str, below: bool) -> None:
    assert is_below(url, address) is below
