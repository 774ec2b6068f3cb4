"""Five scenarios: a guarded API and two unguarded twins each, as real processes under attack."""
