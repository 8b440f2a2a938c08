"""Statements, compiled once for a driver."""

from collections.abc import Callable
from itertools import chain
from operator import itemgetter
from typing import Any

from sqlalchemy import BindParameter, Dialect, literal, literal_column, null
from sqlalchemy.exc import CompileError
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.visitors import replacement_traverse

from flashnotify.archive.sql.changes import Row, Statement

# Rows of one insert. A driver in a thread waits for the interpreter after each statement, so that
# fewer of them are faster. Few enough for SQLite's 32,766 parameters of a statement.
CHUNK = 50


class CompiledStatement:
    """The text of a statement, and how the values of a row become its parameters.

    `text_of_chunk` is the text for `CHUNK` rows; None if it does not insert.
    """

    def __init__(self, statement: Statement, row: Row, dialect: Dialect) -> None:
        """Compile a statement for rows that name the same columns as `row`.

        Raise `CompileError` if its text depends on the values, as that of `IN` does, or if a
        constant cannot be part of it.
        """
        clause: Any = _with_constants(statement.clause, dialect)
        compiled = clause.compile(dialect=dialect, column_keys=list(row))
        assert isinstance(compiled, SQLCompiler)
        if compiled.post_compile_params or compiled.literal_execute_params:
            raise CompileError("'expanding' parameters cannot be run with many rows")
        names = compiled.positiontup or []
        binds = [compiled.binds[name] for name in names]
        self.text = str(compiled)
        self.text_of_chunk = _for_many(self.text, len(names))
        self._width = len(names)
        self._pick = _picker([bind.key for bind in binds])
        self._processors: list[tuple[int, Callable[[Any], Any]]] = []
        for index, bind in enumerate(binds):
            process = bind.type.dialect_impl(dialect).bind_processor(dialect)
            if process is not None:
                self._processors.append((index, process))

    def bind(self, *rows: Row) -> list[Any]:
        """Return the values of rows for the driver, in order. Raise `LookupError` without one."""
        values = [*chain.from_iterable(map(self._pick, rows))]
        # By column, which is faster.
        for index, process in self._processors:
            values[index :: self._width] = map(process, values[index :: self._width])
        return values


def _with_constants(clause: Any, dialect: Dialect) -> Any:
    """Return a clause with its constants in its text: only what rows differ in is bound."""

    def constant(element: Any, **_: Any) -> Any:
        if not isinstance(element, BindParameter) or element.required:
            return None
        if element.value is None:
            return null()
        # A value that an update sets gets its column's type later.
        types = (element.type, literal(element.value).type)
        for process in (type.literal_processor(dialect) for type in types):
            if process is not None:
                return literal_column(process(element.value), element.type)
        raise CompileError(f"{element.value!r} has no form in SQL")

    return replacement_traverse(clause, {}, constant)


def _for_many(text: str, values: int) -> str | None:
    """Return the text of an insert with as many rows as a chunk has."""
    row = f"({', '.join('?' * values)})"
    head, inserts, rest = text.partition(f" VALUES {row}")
    return f"{head} VALUES {', '.join([row] * CHUNK)}{rest}" if inserts else None


def _picker(keys: list[str]) -> Callable[[Row], tuple[Any, ...]]:
    if not keys:
        return lambda _: ()
    pick = itemgetter(*keys)
    return pick if len(keys) > 1 else lambda row: (pick(row),)
