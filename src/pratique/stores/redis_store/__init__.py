"""Keys and events in a Redis, by redis-py: held by a lease around the effect."""
