"""What holds for every test."""

import os
import signal
import tempfile

from hypothesis import HealthCheck, settings

# Examples are the same in every run, and a slow machine is no failure.
settings.register_profile("house", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")

# What is measured of this machine is kept in the user's cache, and a test's is not to be found there.
_cache = tempfile.TemporaryDirectory(prefix="danlu-tests-")
os.environ["XDG_CACHE_HOME"] = os.environ["MODELSCOPE_CACHE"] = _cache.name

# Shells let what they start in the background ignore Ctrl-C, which some tests send.
signal.signal(signal.SIGINT, signal.default_int_handler)
