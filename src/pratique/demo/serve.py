"""One process of the demonstration; what it is told comes in the environment."""

import json
import os
import sys
from importlib import import_module


def main() -> None:
    """Serve one party of one scenario on loopback."""
    scenario, kind, port = sys.argv[1:4]
    settings = json.loads(os.environ["DEMO_SETTINGS"])
    import_module(f"pratique.demo.{scenario}.parties").serve(kind, int(port), settings)


if __name__ == "__main__":
    main()
