"""Floor 3, doors: where a crossing happens in a framework. Import the one of your framework."""

__all__: list[str] = []
