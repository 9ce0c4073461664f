"""For all unit tests: hypothesis judges results, not speed, since the machine may be busy with something else."""

from hypothesis import settings

settings.register_profile("cluster", deadline=None)
settings.load_profile("cluster")
