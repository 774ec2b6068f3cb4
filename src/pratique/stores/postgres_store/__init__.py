"""Keys and events in the user's own PostgreSQL, in the transaction of the effect, by psycopg 3."""
