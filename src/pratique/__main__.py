"""`python -m pratique`: the command line."""

from pratique.cli import main

if __name__ == "__main__":
    main()
