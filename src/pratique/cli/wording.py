"""How a command says a number, and a text that came from outside."""


def counted(count: int, one: str, several: str) -> str:
    """Return a number with what is counted: "1 key was deleted", "0 keys were deleted"."""
    return f"{count} {one if count == 1 else several}"


def plain(text: str) -> str:
    """Return a text whose every character can be printed: none moves the cursor or turns the line.

    CWE-150: what came from outside is shown, and does nothing to the terminal.
    """
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)
