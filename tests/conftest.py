"""What holds for every test."""

from hypothesis import HealthCheck, settings

# Examples are the same in every run, and a slow machine is no failure.
settings.register_profile("house", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")
