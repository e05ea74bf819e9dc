"""By what a process sees that another has changed what is answered."""

from typing import TYPE_CHECKING

from danlu.apps.assistant import judging

if TYPE_CHECKING:
    from sqlalchemy import Connection


def marks(connection: "Connection") -> tuple[int, ...]:
    """Numbers that change with it: of answers, questions, what was forgotten, judgements of who keeps the assistant."""
    import sqlalchemy as sql

    from danlu.apps.assistant.tables import ENTRIES, FORGOTTEN, PHRASES

    asked = [sql.select(sql.func.count(each.c.id)) for each in (ENTRIES, PHRASES)]
    asked.append(sql.select(sql.func.coalesce(sql.func.max(FORGOTTEN.c.id), 0)))
    return *(int(connection.execute(each).scalar_one()) for each in asked), judging.last_number(connection)
