"""What a benchmark is to reach, and what came of it."""


class Goals:
    """The goals and what came of them."""

    def __init__(self) -> None:
        self._rows: list[tuple[str, float, float]] = []

    def add(self, what: str, value: float, most: float) -> None:
        """Take in a value and the most that it may be."""
        self._rows.append((what, value, most))

    def show(self) -> None:
        """Print all; raises ``SystemExit`` where one is missed."""
        print("\ngoals")
        for what, value, most in self._rows:
            print(f"  {what:<70} {value:>7.2f} <= {most:<6g} {'yes' if value <= most else 'MISSED'}")
        if any(value > most for _, value, most in self._rows):
            raise SystemExit("a goal is missed")
