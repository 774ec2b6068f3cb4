"""A URL preview: a guarded API and two unguarded twins, a hostile site, a canary."""
