from collections.abc import Iterator
from pathlib import Path

import pytest

from lab_utils.errors import LabError
from lab_utils.models.language.gguf_file import shape_of, write_model
from lab_utils.models.language.small import LanguageModel, held_out, load
from lab_utils.serve.llm.engine import Engine
from lab_utils.serve.llm.in_process import newcomers, write_together


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    return load()


@pytest.fixture(scope="module")
def path(model: LanguageModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("own") / "own.gguf"
    write_model(path, model, "f16")
    return path


@pytest.fixture(scope="module")
def engine(path: Path) -> Iterator[Engine]:
    with Engine(path, threads=1) as engine:
        yield engine


@pytest.fixture(scope="module")
def prompts(model: LanguageModel) -> list[list[int]]:
    ids = model.ids(held_out())
    return [ids[start : start + 60] for start in range(0, 600, 100)]


def test_without_drafts_a_pass_gives_each_user_a_token(
    engine: Engine, prompts: list[list[int]]
) -> None:
    alone = write_together(engine, prompts, 8, users=1)
    assert (alone.tokens_per_pass, alone.tokens, alone.passes) == (1, 42, 42)
    assert alone.answers == [engine.run([one], 8).tokens[0] for one in prompts]
    three = write_together(engine, prompts, 8, users=3)
    assert (three.tokens_per_pass, three.tokens) == (1, 42)
    assert not engine.pipeline.has_non_finished_requests()


def test_drafts_save_passes_and_change_no_token(
    path: Path, engine: Engine, prompts: list[list[int]]
) -> None:
    repeated = [one + one + one[:30] for one in prompts]
    plain = write_together(engine, repeated, 40, users=2)
    with Engine(path, threads=1, prompt_lookup=True) as drafting:
        found = write_together(
            drafting, repeated, 40, users=2, num_assistant_tokens=4, max_ngram_size=3
        )
    assert found.answers == plain.answers
    assert 1 < found.tokens_per_pass <= 5


def test_newcomers_are_read_in_one_step_or_in_pieces(
    path: Path, engine: Engine, model: LanguageModel
) -> None:
    shape = shape_of(model)
    whole = newcomers(engine, shape, writers=2, prompt_tokens=400, count=3)
    assert whole.pause_s.shape == whole.first_token_s.shape == (3,)
    assert whole.usual_s > 0
    # Read in one step: the writers' pause holds the whole of it.
    assert (whole.pause_s > 0.9 * whole.first_token_s).all()
    with Engine(path, threads=1, chunk_tokens=42) as chunked:
        pieces = newcomers(chunked, shape, writers=2, prompt_tokens=400, count=3)
    # Ten pieces of 40: a writer has a token with each of them.
    assert (pieces.pause_s < 0.9 * pieces.first_token_s).all()
    assert not engine.pipeline.has_non_finished_requests()


def test_users_without_a_prompt_are_refused(engine: Engine, prompts: list[list[int]]) -> None:
    with pytest.raises(LabError, match="7 users have 6 prompts"):
        write_together(engine, prompts, 4, users=7)
