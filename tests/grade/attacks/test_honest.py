"""What is odd and correct earns full marks."""

import pytest

from lab_utils.grade.engine import grade
from lab_utils.grade.spec import Lab
from lab_utils.grade.submission import parse
from lab_utils.grade.workers import Workers
from tests.grade.attacks import honest
from tests.grade.attacks.toys import SCALED
from tests.grade.conftest import DOUBLE

LAB = Lab(honest.UNIT, (DOUBLE, SCALED))
HAND_INS = honest.hand_ins()


@pytest.mark.parametrize("content", HAND_INS.values(), ids=HAND_INS)
def test_an_odd_and_correct_hand_in_earns_full_marks(content: bytes, workers: Workers) -> None:
    marks = grade(parse(content, "x.ipynb"), LAB, None, 7, workers)
    assert [verdict.message for verdict in marks.verdicts] == ["", ""]
    assert marks.points == marks.out_of == 6
