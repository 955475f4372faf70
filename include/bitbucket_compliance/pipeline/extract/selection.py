"""Which resources a run reads: what the enabled tests rest on, what the inventory shows, what no run can do without."""

from bitbucket_compliance.policy.model import Policy
from bitbucket_compliance.resources.catalogue import BY_NAME, RESOURCES
from bitbucket_compliance.resources.model import Resource
from bitbucket_compliance.security_tests import CATALOGUE
from bitbucket_compliance.security_tests.model import MergeRule, SecurityTest


def wanted(policy: Policy) -> tuple[Resource, ...]:
    """The resources that are worth a request under this policy, in the catalogue's order."""
    enabled = _enabled(policy)
    judged = {name for test in enabled for name in test.resources}
    # What is asked for only where a test needs it fills the inventory by the way.
    alone = {name for test in CATALOGUE for name in test.also_reads}
    return tuple(
        one for one in RESOURCES if one.required or one.name in judged or (one.fills and one.name not in alone)
    )


def read_of_repositories(policy: Policy) -> list[Resource]:
    """Those of them that are asked for repository by repository."""
    return [one for one in wanted(policy) if one.of == "repository"]


def announced_events(policy: Policy) -> tuple[str, ...]:
    """The webhook events that can change a verdict: those of required resources, and of what enabled tests rest on."""
    judged = {name for test in _enabled(policy) for names in test.bases.values() for name in names}
    of_resources = [event for one in RESOURCES if one.required or one.name in judged for event in one.announced_by]
    return tuple(dict.fromkeys([*of_resources, *(event for test in _enabled(policy) for event in test.events)]))


def tests_that_fall_back_on(resource: Resource, policy: Policy) -> list[SecurityTest]:
    """The enabled tests that ask for an on-demand resource where their configuration can't be read."""
    return [
        test
        for test in _enabled(policy)
        if resource.on_demand
        and any(resource.name in names for basis, names in test.bases.items() if basis != "configuration")
        and resource.name not in test.bases.get("configuration", ())
    ]


def tests_that_also_read(resource: Resource, policy: Policy) -> list[SecurityTest]:
    """The enabled tests that ask for a resource where their configuration does not decide by itself."""
    return [test for test in _enabled(policy) if resource.name in test.also_reads]


def merge_rules(policy: Policy) -> list[tuple[MergeRule, int]]:
    """What the enabled tests want to be required before a merge, each with the number that the policy asks for."""
    return [
        (test.merge_rule, policy.thresholds[test.merge_rule.at_least]) for test in _enabled(policy) if test.merge_rule
    ]


def configuration_of(tests: list[SecurityTest]) -> list[Resource]:
    """The resources that show the configuration that these tests ask about, those on demand left out."""
    names = dict.fromkeys(name for test in tests for name in test.bases.get("configuration", ()))
    return [BY_NAME[name] for name in names if not BY_NAME[name].on_demand]


def fallback_tests(policy: Policy) -> list[str]:
    """Ids of the enabled tests that have such an on-demand resource."""
    return sorted({test.test_id for one in RESOURCES for test in tests_that_fall_back_on(one, policy)})


def _enabled(policy: Policy) -> list[SecurityTest]:
    return [test for test in CATALOGUE if policy.enabled(test.test_id)]
