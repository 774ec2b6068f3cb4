"""An app of the tests: orders of the users that Django signs in."""
