"""Some layers of a GGUF file, as a file of its own.

    write_layers(Path("7b-q4_0.gguf"), Path("first.gguf"), range(16))

What is no layer's (the vocabulary, the table of tokens, the last matrix) is in every part, so each
part is a model that readers accept. Tensors are copied as they lie in the file, through a map of
it: the memory holds none of them.
"""

from __future__ import annotations

import re
from pathlib import Path

import gguf
from gguf import GGUFReader, GGUFValueType, GGUFWriter

_IN_LAYER = re.compile(r"blk\.(\d+)\.(.+)")


def layers_of(source: Path) -> int:
    """How many layers a file has. Raises ValueError where it is not a GGUF file."""
    reader = GGUFReader(source)
    return int(reader.fields[f"{_kind(reader)}.block_count"].contents())


def write_layers(source: Path, path: Path, layers: range) -> None:
    """Write the named layers of a file, numbered from 0, with all that is no layer's."""
    reader = GGUFReader(source)
    kind = _kind(reader)
    writer = GGUFWriter(path, kind)
    own = {gguf.Keys.General.ARCHITECTURE, f"{kind}.block_count"}
    for name, field in reader.fields.items():
        if name in own or name.startswith("GGUF."):  # the writer's, or the old file's own counts
            continue
        inner = field.types[-1] if field.types[0] == GGUFValueType.ARRAY else None
        writer.add_key_value(name, field.contents(), field.types[0], inner)
    writer.add_block_count(len(layers))
    for tensor in reader.tensors:
        name, found = tensor.name, _IN_LAYER.fullmatch(tensor.name)
        if found is not None:
            if int(found[1]) not in layers:
                continue
            name = f"blk.{layers.index(int(found[1]))}.{found[2]}"
        writer.add_tensor(name, tensor.data, raw_dtype=tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _kind(reader: GGUFReader) -> str:
    return str(reader.fields[gguf.Keys.General.ARCHITECTURE].contents())
