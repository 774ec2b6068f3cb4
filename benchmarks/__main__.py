"""Run every benchmark: `make bench`."""

from importlib import import_module

for name in (
    "opening",
    "crossing",
    "claims",
    "claims_per_store",
    "doors",
    "endpoint",
    "events",
    "metrics",
    "fetch",
    "forwarded",
    "partner",
    "tokens",
):
    print(f"\n== {name}")
    import_module(f"benchmarks.{name}").main()
