"""An app of the user's own."""
