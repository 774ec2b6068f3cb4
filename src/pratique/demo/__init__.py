"""Three scenarios: a guarded API and two unguarded twins each, as real processes under attack."""

from .run import run_demo

__all__ = ["run_demo"]
