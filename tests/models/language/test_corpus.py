from lab_utils.models.language.corpus import documents, split


def test_it_is_english_and_a_good_deal_of_it() -> None:
    texts = documents()
    assert len(set(texts)) == len(texts) > 3000
    assert sum(map(len, texts)) > 1_000_000
    whole = " ".join(texts)
    assert whole.count(" the ") > 10_000


def test_what_is_held_out_depends_on_the_text_alone() -> None:
    texts = documents()
    learned, held_out = split(texts)
    assert sorted(learned + held_out) == sorted(texts)
    assert not set(learned) & set(held_out)
    assert 0.03 < len(held_out) / len(texts) < 0.08
    assert split(held_out[::-1]) == ([], held_out[::-1])
