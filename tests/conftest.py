"""What holds for every test."""

import signal

from hypothesis import HealthCheck, settings

# Examples are the same in every run, and a slow machine is no failure.
settings.register_profile("house", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")

# Shells let what they start in the background ignore Ctrl-C, which some tests send.
signal.signal(signal.SIGINT, signal.default_int_handler)
