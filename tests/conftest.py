"""What all tests share: a hypothesis profile that gives the same examples in every run."""

from hypothesis import settings

settings.register_profile("gatepost", derandomize=True, deadline=None)
settings.load_profile("gatepost")
