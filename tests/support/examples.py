"""How often a property is tried: few times by `make test`, as often as it takes by `--hypothesis-profile=full`.

`deep` tries ten times as often as `full`, and each time with other examples.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

QUICK, FULL, DEEP = "quick", "full", "deep"
FEW, MANY = 25, 500

settings.register_profile(
    QUICK,
    max_examples=FEW,
    deadline=None,
    derandomize=True,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.register_profile(FULL, settings.get_profile(QUICK), max_examples=MANY)
settings.register_profile(DEEP, settings.get_profile(FULL), max_examples=10 * MANY, derandomize=False, database=None)


def tried(times: int) -> settings:
    """So many times by `full`, where 500 would be too few or too many."""
    factors = {QUICK: 0, FULL: 1, DEEP: 10}
    return settings(max_examples=max(FEW, times * factors[settings.get_current_profile_name()]))


def every(few: int) -> int:
    """The step through a list that is too long for `make test`, which takes every *few*th; the others take all."""
    return few if settings.get_current_profile_name() == QUICK else 1
