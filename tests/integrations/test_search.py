from __future__ import annotations

from lrfind.errors import Caution
from lrfind.integrations.search import Search


def test_a_note_that_may_make_the_answer_wrong_is_a_warning() -> None:
    notes: list[str] = []
    warnings: list[str] = []
    search = Search(strict=False, options={}, on_note=notes.append, warn=warnings.append)
    search.note("The data ran out.")
    search.note(Caution("It is not checked by trainings."))
    assert notes == ["FindLR: The data ran out."]
    assert warnings == ["FindLR: It is not checked by trainings."]
