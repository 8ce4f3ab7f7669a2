"""Networks in OpenVINO's form that hold some layers each, joined into one.

    ov.serialize(joined([Path("first/openvino_model.xml"), Path("second/openvino_model.xml")]), to)

OpenVINO GenAI unpacks a GGUF file whole, and holds its weights twice: 8.5 GB for the 3.8 of a 7B at
4 bits. Converted some layers at a time it holds as little as wanted; what is joined here is mapped
from its files and not held.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import openvino as ov

_NUMBER = re.compile(r"(past_key_values|present)\.(\d+)\.")


def joined(parts: Sequence[Path]) -> ov.Model:
    """One network of all layers: what a part hands to its last norm, the next takes for its tokens.

    The files must stay where they are until it is written.
    """
    core = ov.Core()
    whole = core.read_model(parts[0])
    for path in parts[1:]:
        _append(whole, core.read_model(path))
    return whole


def _append(whole: ov.Model, part: ov.Model) -> None:
    """Put the layers of a part behind those that are there, with the last matrix of the part."""
    _number_from(part, len(whole.get_variables()) // 2)
    handed = _normed(whole.get_results()[0].input_value(0), _givers)
    inputs = {given.get_any_name(): given for given in whole.inputs}
    tokens = _normed(part.input("input_ids"), _takers)
    for old, new in [(tokens, handed), *((own, inputs[own.get_any_name()]) for own in part.inputs)]:
        for taker in old.get_target_inputs():
            taker.replace_source_output(new)
    whole.remove_result(whole.get_results()[0])
    whole.add_results(part.get_results())
    whole.add_sinks(part.get_sinks())


def _number_from(part: ov.Model, first: int) -> None:
    """A layer's cache is found by its number."""
    for variable in part.get_variables():
        info = variable.info
        info.variable_id = _NUMBER.sub(
            lambda found: f"{found[1]}.{int(found[2]) + first}.", info.variable_id
        )
        variable.update(info)


def _normed(start: ov.Output, near: Callable[[ov.Output], Sequence[ov.Output]]) -> ov.Output:
    """What the nearest norm squares, looking from a place in one direction."""
    places = [start]
    for place in places:
        node = place.get_node()
        if node.get_type_name() == "Power":
            return node.input_value(0)
        places.extend(near(place))
    raise AssertionError("a decoder of Llama's kind has norms")


def _givers(place: ov.Output) -> Sequence[ov.Output]:
    return [given.get_source_output() for given in place.get_node().inputs()]


def _takers(place: ov.Output) -> Sequence[ov.Output]:
    return [made for taker in place.get_target_inputs() for made in taker.get_node().outputs()]
