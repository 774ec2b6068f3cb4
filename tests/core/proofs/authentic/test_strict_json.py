"""What is read before anything is proven costs a stranger more than us."""

import json

import pytest

from pratique.core.proofs.authentic.strict_json import MAX_PARTS, object_of


@pytest.mark.parametrize("part", ["[],", '{"a":1},', "1,"])
def test_a_text_of_too_many_parts_is_none(part: str) -> None:
    """CWE-400: a MiB of empty lists took a second to read; one of a fitting number is read."""
    few = f'{{"a": [{part * 1000} 1]}}'.encode()
    assert len(object_of(few)["a"]) == 1001
    with pytest.raises(ValueError, match="parts"):
        object_of(f'{{"a": [{part * MAX_PARTS} 1]}}'.encode())


@pytest.mark.parametrize("text", ["{[,", '"{[,', "\\{[,", "\\\n{[,"])
def test_signs_inside_a_text_are_no_parts(text: str) -> None:
    """A notification's message may be JSON itself, written as one text."""
    whole = {"Message": text * MAX_PARTS, "Type": "Notification"}
    assert object_of(json.dumps(whole).encode()) == whole
    with pytest.raises(ValueError, match="parts"):
        object_of(json.dumps({**whole, "more": [0] * (MAX_PARTS + 1)}).encode())
