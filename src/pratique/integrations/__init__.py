"""Floor 3, doors: where a crossing happens. Import the one of your framework."""

__all__ = ()
