"""The tests: a mirror of src/pratique, and beside it laws, faults and house rules."""
