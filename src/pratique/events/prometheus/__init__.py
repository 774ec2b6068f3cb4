"""Metrics for Prometheus: of one process, and of several as one."""

from .collector import CONTENT_TYPE, Collector, aexposition, exposition
from .multiprocess import Multiprocess

__all__ = ["CONTENT_TYPE", "Collector", "Multiprocess", "aexposition", "exposition"]
