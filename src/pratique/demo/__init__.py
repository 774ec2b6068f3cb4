"""A provider, a guarded API and two unguarded twins as real processes, and what attacks do to each."""

from .run import run_demo

__all__ = ["run_demo"]
