"""Five scenarios as small services to copy, each beside its vulnerable twin."""
