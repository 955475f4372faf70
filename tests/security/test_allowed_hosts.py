"""Whoever may edit connections in Airflow can't send a worker to a host of their choice."""

import pytest

from bitbucket_compliance.core.allowed_hosts import DestinationRefused, check_destination, is_from_environment


@pytest.mark.parametrize(
    "destination",
    [
        "http://169.254.169.254/latest/meta-data",
        "127.0.0.1:9180",
        "https://hooks.slack.com.evil.example/x",
        "https://hooks.slack.com@evil.example/",
        "https://evil.example\\@hooks.slack.com/",
        "hooks.slack.com,evil.example",
        "https://evil.example#hooks.slack.com",
        "https://hooks。slack.com/",
        "/var/run/postgresql",
        "jdbc:postgresql://evil.example/db",
        "",
    ],
)
def test_a_stored_connection_leads_to_no_other_host(destination: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COMPLIANCE_ALLOWED_HOSTS", raising=False)
    with pytest.raises(DestinationRefused, match=r"Airflow connection hr: .*COMPLIANCE_ALLOWED_HOSTS"):
        check_destination("hr", destination, from_environment=False)


@pytest.mark.parametrize(
    ("allowed", "destination"),
    [
        ("hr.example.com", "https://HR.example.com./scim/v2"),
        ("hr.example.com", "hr.example.com:5432"),
        ("other.example.com, hr.example.com:8443", "https://hr.example.com:8443"),
        ("hr.example.com:443", "https://hr.example.com/"),
        ("[::1]:5432", "[::1]:5432"),
    ],
)
def test_hosts_of_the_configuration_can_be_reached(
    allowed: str, destination: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMPLIANCE_ALLOWED_HOSTS", allowed)
    check_destination("hr", destination, from_environment=False)


@pytest.mark.parametrize("destination", ["https://hr.example.com", "hr.example.com", "hr.example.com:5432"])
def test_an_entry_with_a_port_allows_this_port_alone(destination: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPLIANCE_ALLOWED_HOSTS", "hr.example.com:8443")
    with pytest.raises(DestinationRefused, match=r"hr\.example\.com"):
        check_destination("hr", destination, from_environment=False)


def test_a_connection_of_the_environment_is_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_HR", "http://127.0.0.1:8080")
    assert is_from_environment("hr") and not is_from_environment("other")
    check_destination("hr", "http://127.0.0.1:8080", from_environment=is_from_environment("hr"))
