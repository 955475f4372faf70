"""What an import took, or what its preview would take: the same for the command line, the DAG and the console."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from bitbucket_compliance.core.printable import printable
from bitbucket_compliance.registry.imports.matches import Matches
from bitbucket_compliance.registry.tables.file import Problem


@dataclass(frozen=True)
class ImportResult:
    """An import, or its preview.

    Attributes:
        kind: ``roster``, ``classification`` or ``mfa``.
        name: of the file or source.
        told: what was taken, or would be, in a few words.
        import_id: None: nothing was written, for it is a preview, waits for somebody else, or is known already.
        evidence_id: of what waits for somebody else.
        columns: by our name of a column, the headings that were found for it.
        rows, taken: of the table; how many of them count.
        matches: whom it names, where that was looked at.
        refused: what is wrong with each row that can't be used.
        unclear: a line for everything that a person should know: rows that can't be used first.
    """

    kind: str
    name: str
    told: str
    import_id: int | None = None
    evidence_id: str | None = None
    is_preview: bool = False
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    rows: int = 0
    taken: int = 0
    matches: Matches | None = None
    refused: tuple[Problem, ...] = ()
    unclear: tuple[str, ...] = ()

    def lines(self) -> Iterator[str]:
        """The lines that a person reads: what was taken first; of a preview also columns, rows and matches.

        What stands in a file makes no line of its own.
        """
        return map(printable, self._lines())

    def _lines(self) -> Iterator[str]:
        if not self.is_preview:
            yield f"imported: {self.kind} {self.name}: {self.told}"
            yield from self.unclear
            return
        yield f"preview: {self.kind} {self.name}: {self.told}; nothing was written"
        for ours, headings in self.columns.items():
            yield f"preview: column {ours}: {', '.join(map(repr, headings)) or 'none'}"
        yield f"preview: {self.rows} rows, {self.taken} of them would be taken"
        if self.matches:
            yield from (f"preview: {line}" for line in self.matches.lines())
        yield from self.unclear

    def __str__(self) -> str:
        """All lines."""
        return "\n".join(self.lines())
