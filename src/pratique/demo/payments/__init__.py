"""A payment webhook: a provider, the guarded API and two unguarded twins."""
