"""Random damage of a bundle with right digests: as a faulty exporter would write it."""

from __future__ import annotations

import hashlib
import io
import json
import random
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bundle.engines import BOOSTER
from bundle.reader import CONTRACT, DIGESTS, SMOKE

TYPES = (
    "f2",
    "f4",
    "f8",
    ">f8",
    "c16",
    "i1",
    "u1",
    "i2",
    "i4",
    "u4",
    "i8",
    ">i4",
    "u8",
    "?",
    "S4",
    "U2",
    "M8[s]",
)
FLOATS = (float("nan"), float("inf"), -float("inf"), 0.0, -1.0, 1e39, 1e120, 1e308, -1e308, 5e-324)
INTEGERS = (0, 1, -1, -2, 127, 128, 2**15, 2**31 - 1, -(2**31), 2**31, 2**63 - 1, -(2**63))
INSTEAD: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        0,
        1,
        -1,
        2**64,
        10**400,
        1e308,
        -1e-320,
        float("nan"),
        float("inf"),
        "",
        "7",
        "a\u0000",
    ),
    *("\ud800", [], [1], [[]], {}, {"": 0}, "forest", "linear", "number", "category"),
)
INDICES = (b"left_children", b"right_children", b"split_indices", b"parents", b"tree_info", b"split_type")


def damage(folder: Path, draw: random.Random) -> None:
    """Changes one to three places of a bundle's files, and writes the digests again."""
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        files = [*sorted(folder.glob("arrays/*.npy")), folder / CONTRACT, folder / SMOKE]
        if (folder / BOOSTER).exists():
            files += [folder / BOOSTER] * 4
        file = draw.choice([file for file in files if file.exists() and file.stat().st_size])
        changes = {".npy": ARRAY_CHANGES, ".json": JSON_CHANGES, ".ubj": BOOSTER_CHANGES}[file.suffix]
        draw.choice(changes)(file, draw)
    digests = {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.name != DIGESTS
    }
    (folder / DIGESTS).write_text(json.dumps(digests))


def _flip(file: Path, draw: random.Random) -> None:
    content = bytearray(file.read_bytes())
    for _ in range(draw.choice((1, 1, 4, 16))):
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    file.write_bytes(content)


def _flip_head(file: Path, draw: random.Random) -> None:
    content = bytearray(file.read_bytes())
    content[draw.randrange(min(128, len(content)))] = draw.randrange(256)
    file.write_bytes(content)


def _cut(file: Path, draw: random.Random) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: draw.randrange(len(content))])


def _grow(file: Path, draw: random.Random) -> None:
    file.write_bytes(file.read_bytes() + draw.randbytes(draw.choice((1, 8, 64))))


def _insert(file: Path, draw: random.Random) -> None:
    content = file.read_bytes()
    at = draw.randrange(len(content))
    file.write_bytes(content[:at] + draw.randbytes(draw.choice((1, 4, 8))) + content[at:])


def _remove(file: Path, draw: random.Random) -> None:
    file.unlink()


def _array(
    change: Callable[[NDArray[Any], random.Random], NDArray[Any]],
) -> Callable[[Path, random.Random], None]:
    def apply(file: Path, draw: random.Random) -> None:
        try:
            array = np.load(file)
        except Exception:
            return  # an earlier change of the same bundle
        with np.errstate(all="ignore"), io.BytesIO() as memory:
            try:
                np.save(memory, change(array, draw), allow_pickle=False)
            except (ValueError, TypeError, OverflowError, IndexError):
                return
            file.write_bytes(memory.getvalue())

    return apply


def _another_type(array: NDArray[Any], draw: random.Random) -> NDArray[Any]:
    return array.astype(draw.choice(TYPES))


def _reinterpreted(array: NDArray[Any], draw: random.Random) -> NDArray[Any]:
    return array.view(draw.choice(TYPES))


def _another_value(array: NDArray[Any], draw: random.Random) -> NDArray[Any]:
    changed = array.copy()
    lengths = (len(array) - 1, len(array), -len(array), -len(array) - 1)
    values = FLOATS if array.dtype.kind == "f" else (*INTEGERS, *lengths)
    changed.flat[draw.randrange(array.size)] = draw.choice(values)
    return changed


def _floats_with_nan(array: NDArray[Any], draw: random.Random) -> NDArray[Any]:
    changed = array.astype(np.float64)
    changed.flat[draw.randrange(array.size)] = draw.choice(FLOATS)
    return changed


def _another_shape(array: NDArray[Any], draw: random.Random) -> NDArray[Any]:
    shapes: tuple[Callable[[], NDArray[Any]], ...] = (
        lambda: array[:-1],
        lambda: array[:0],
        lambda: np.concatenate([array, array[:1]]),
        lambda: array.T.copy(),
        lambda: np.asfortranarray(array),
        lambda: array.ravel(),
        lambda: array[None],
        lambda: array[..., None],
        lambda: array.ravel()[0],
        lambda: array[::-1],
    )
    return draw.choice(shapes)()


def _shuffled(array: NDArray[Any], draw: random.Random) -> NDArray[Any]:
    changed = array.copy()
    one, other = (draw.randrange(len(array)) for _ in range(2))
    changed[[one, other]] = changed[[other, one]]
    return changed


def _exchange(file: Path, draw: random.Random) -> None:
    other = draw.choice(sorted(file.parent.glob("*.npy")))
    if other.exists() and file.exists():
        one, two = file.read_bytes(), other.read_bytes()
        file.write_bytes(two)
        other.write_bytes(one)


def _json(file: Path, draw: random.Random) -> None:
    try:
        content = json.loads(file.read_bytes())
    except ValueError:
        return
    places = list(_places(content))
    if not places:
        return
    holder, name = draw.choice(places)
    match draw.randrange(4):
        case 0:
            del holder[name]
        case 1 if isinstance(holder, list):
            holder.append(holder[name])
        case _:
            holder[name] = draw.choice(INSTEAD)
    file.write_text(json.dumps(content))


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, dict | list):
        for name in value if isinstance(value, dict) else range(len(value)):
            yield value, name
            yield from _places(value[name])


def _index(file: Path, draw: random.Random) -> None:
    """Writes a number among the indices of one of the trees."""
    content = bytearray(file.read_bytes())
    name = draw.choice(INDICES)
    starts = [at for at in range(len(content)) if content.startswith(name, at)]
    if not starts:
        return
    first = draw.choice(starts) + len(name) + len(b"[$l#L") + 8
    at = first + 4 * draw.randrange(8)
    if at + 4 <= len(content):
        value = draw.choice((0, 1, 2, 3, 5, 7, 8, 100, -1, -2, 2**31 - 1, -(2**31)))
        struct.pack_into(">i", content, at, value)
        file.write_bytes(content)


def _number_in_text(file: Path, draw: random.Random) -> None:
    """Writes another digit into one of the parameters, which are texts."""
    content = bytearray(file.read_bytes())
    digits = [at for at, byte in enumerate(content) if 48 <= byte <= 57 and content[at - 1] in (1, 2, 3)]
    if digits:
        content[draw.choice(digits)] = draw.choice(b"0123456789-.e\x00")
        file.write_bytes(content)


_BYTES = (_flip, _flip_head, _cut, _grow, _insert, _remove)
ARRAY_CHANGES = (
    *_BYTES,
    *(_array(each) for each in (_another_type, _reinterpreted, _another_value, _another_value)),
    *(_array(each) for each in (_another_value, _floats_with_nan, _another_shape, _shuffled)),
    _exchange,
)
JSON_CHANGES = (*_BYTES, *[_json] * 12)
BOOSTER_CHANGES = (_flip, _flip, _cut, _grow, _insert, *[_index] * 8, _number_in_text, _number_in_text)
