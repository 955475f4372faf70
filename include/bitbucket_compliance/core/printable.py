"""Text from outside on a terminal or in a line of a log."""


def printable(text: str) -> str:
    """The text on one line, with a code such as ``\\x1b`` or ``\\u202e`` for each character that isn't seen as itself.

    Such are control characters, which a terminal obeys, and those that turn, hide or break what stands beside them.
    """
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)
