import io
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from PIL import Image

from lab_utils.measure.profile import cprofile
from lab_utils.measure.stages import Stages
from lab_utils.models import pictures
from lab_utils.serve import resnet_release
from lab_utils.serve.glossary import Glossary
from lab_utils.serve.observe import observe
from lab_utils.serve.resnet_release import ReleasedRequest, fingerprint
from lab_utils.serve.resnet_request import STAGES, ResNetRequest
from lab_utils.serve.web import WebService

pytestmark = pytest.mark.alone

JPEG = pictures.draw(1, seed=3)[0].jpeg
MODULE = "lab_utils.serve.resnet_release"


@pytest.fixture(scope="module")
def service() -> Iterator[ResNetRequest]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield ResNetRequest.load()
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def glossary() -> Iterator[Glossary]:
    with Glossary(delay_s=0.02) as started:
        yield started


def test_without_additions_it_answers_as_before(service: ResNetRequest) -> None:
    assert ReleasedRequest(service).answer(JPEG) == service.answer(JPEG)


def test_additions_keep_the_labels_and_are_in_no_stage(
    service: ResNetRequest, glossary: Glossary
) -> None:
    stages = Stages()
    answer = ReleasedRequest(service, True, glossary.url).answer(JPEG, stages)
    plain = service.answer(JPEG)
    assert [guess["label"] for guess in answer] == [guess["label"] for guess in plain]
    assert answer[0]["meaning"].endswith(f"{answer[0]['label']}.")
    assert answer[0]["fingerprint"] == fingerprint(Image.open(io.BytesIO(JPEG)))
    assert tuple(stages.durations_s) == STAGES


def test_the_mend_asks_no_more(service: ResNetRequest, glossary: Glossary) -> None:
    asking = ReleasedRequest(service, glossary=glossary.url)
    remembering = asking.remembering()
    assert remembering.answer(JPEG) == asking.answer(JPEG)
    seen = cprofile.profile(lambda: remembering.answer(JPEG))
    assert not any(row.name.startswith("ask (") for row in seen.rows)
    assert any(
        row.name.startswith("ask (") and row.calls == 5
        for row in cprofile.profile(lambda: asking.answer(JPEG)).rows
    )


def test_a_fingerprint_is_the_pixels_comparison_with_their_right_neighbours() -> None:
    grey = np.random.default_rng(0).integers(0, 256, (resnet_release.SIDE, 321), dtype=np.uint8)
    bits = (grey[:, :-1] > grey[:, 1:]).ravel()[-256:]
    expected = int("".join("1" if bit else "0" for bit in bits), 2)
    assert fingerprint(Image.fromarray(grey)) == f"{expected:x}"


def test_a_wait_is_seen_by_the_scheduler_and_the_idle_sampler_and_not_by_the_other(
    glossary: Glossary,
) -> None:
    app = f"{MODULE}:create_app(glossary={glossary.url!r})"
    with WebService(app, workers=1, compute_threads=1) as web:
        observe(web, [JPEG], requests=2)
        at_work = observe(web, [JPEG], requests=5, sampler="at work")
        idle_too = observe(web, [JPEG], requests=5, sampler="idle, too")
        plain = observe(web, [JPEG], requests=2)
    assert len(at_work.waited_s) == len(at_work.staged_s) == 5
    assert min(at_work.waited_s) > 5 * 0.02 + min(at_work.staged_s)
    assert at_work.states.asleep_s > 5 * 5 * 0.02
    assert plain.profile is None
    if at_work.profile is None or idle_too.profile is None:
        pytest.skip(at_work.refusal)
    assert at_work.profile.share_of("compute (") > 0.6
    assert idle_too.profile.share_of("_meaning (") > 0.2
    assert at_work.profile.seen < idle_too.profile.seen
