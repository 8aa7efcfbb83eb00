import pytest

from agentlanes.router.profiles import PROFILES, target_met


def test_the_four_profiles_and_their_lanes():
    lanes = {name: profile.lane for name, profile in PROFILES.items()}
    assert lanes == {
        "api_formatting": "act",
        "retrieval": "act",
        "plan_validation": "reason",
        "formal_verification": "reason",
    }
    assert all(p.name == name and p.metric and p.description for name, p in PROFILES.items())
    assert all(0 <= p.target_low_ms < p.target_high_ms for p in PROFILES.values())


@pytest.mark.parametrize(
    ("name", "met", "missed"),
    [
        ("api_formatting", 99.9, 100.0),
        ("retrieval", 149.9, 150.0),
        ("plan_validation", 119_999.0, 120_000.0),
        ("formal_verification", 299_999.0, 300_000.0),
    ],
)
def test_only_the_upper_bound_can_be_missed(name, met, missed):
    profile = PROFILES[name]
    assert target_met(profile, 0.0) is True
    assert target_met(profile, met) is True
    assert target_met(profile, missed) is False
    assert target_met(profile, None) is None


def test_profiles_cannot_be_changed():
    with pytest.raises(TypeError):
        PROFILES["mine"] = PROFILES["retrieval"]
