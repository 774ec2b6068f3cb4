"""Make the store's tables."""

__all__ = ()
