"""Keys and events in the user's own database, in the transaction of the effect, by SQLAlchemy."""
