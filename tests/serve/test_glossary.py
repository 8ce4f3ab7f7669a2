import time

import pytest

from lab_utils.errors import LabError
from lab_utils.serve.glossary import Glossary, ask


def test_it_explains_a_label_after_its_delay_and_ends() -> None:
    with Glossary(delay_s=0.05) as glossary:
        start_s = time.perf_counter()
        assert ask(glossary.url, "tabby cat, 猫/ü").endswith("filed under: tabby cat, 猫/ü.")
        assert time.perf_counter() - start_s >= 0.05
    with pytest.raises(LabError, match=r"The glossary at .* gives no answer"):
        ask(glossary.url, "cat")


@pytest.mark.parametrize("delay_s", [-1, 10, float("nan")])
def test_a_delay_that_makes_no_sense_is_refused(delay_s: float) -> None:
    with pytest.raises(LabError, match=r"delay_s is .*; expected seconds from 0 to 10"):
        Glossary(delay_s)
