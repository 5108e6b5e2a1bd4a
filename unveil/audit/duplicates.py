"""Near-duplicate images: the same picture scaled, recompressed, recoloured, mirrored or turned.

Two steps. A difference hash suggests pairs. The fine detail of their thumbnails, contrast evened out, confirms them:
two patients in the same position look alike at a glance, but only a copy has the same vessels and the same noise.

Shapes: N images, V = 8 turns, W = 4 words of 64 bits, P pairs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from functools import partial
from itertools import product

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from unveil.core.pixels import display
from unveil.core.workers import pool

HASH_SIDE = 16
THUMBNAIL_SIDE = 64
#: A copy's hash differs in at most so many of its 256 bits, and its detail correlates at least so much. Both were set
#: on public sets whose copies are known (tests/test_duplicates.py).
MOST_BITS = 20
CORRELATION = 0.85
#: Images from which on several processes search: to start them takes a second, as the search among so many by one does.
PROCESSES_FROM = 10_000

Pairs = tuple[NDArray[np.int64], NDArray[np.int64]]

# Images whose hashes are compared at once: those pairs take 250 MB if all of them are near. A processor's cache holds
# what a step compares.
_ROWS, _COLUMNS, _STEP = 512, 4096, 32
_CHUNK = 2048  # thumbnails, or pairs of them that are compared one by one, at once: 70 MB

# The eight ways a copy may be turned; the first four are mirrors. A thumbnail is square, so that each fits it.
_TURNS: tuple[Callable[[np.ndarray], np.ndarray], ...] = (
    lambda images: images,
    lambda images: images[..., ::-1],
    lambda images: images[..., ::-1, :],
    lambda images: images[..., ::-1, ::-1],
    lambda images: np.swapaxes(images, -1, -2),
    lambda images: np.swapaxes(images, -1, -2)[..., ::-1],
    lambda images: np.swapaxes(images, -1, -2)[..., ::-1, :],
    lambda images: np.swapaxes(images, -1, -2)[..., ::-1, ::-1],
)


# What an image is known by


def prints(array: np.ndarray) -> tuple[NDArray[np.uint64], NDArray[np.uint8]]:
    """The image's difference hashes (8, 4), one of 256 bits for each turn of it, and its grey thumbnail (64, 64).

    Scaling, recompression and contrast barely change either.
    """
    grey = Image.fromarray(display("array", array, None)).convert("L")
    wide, tall = _shrunk(grey, HASH_SIDE + 1, HASH_SIDE), _shrunk(grey, HASH_SIDE, HASH_SIDE + 1)
    bits = np.stack([*_difference_hashes(wide), *_difference_hashes(tall.T)])
    return np.packbits(bits.reshape(8, -1), axis=1).view(np.uint64), _shrunk(grey, THUMBNAIL_SIDE, THUMBNAIL_SIDE)


def _shrunk(grey: Image.Image, width: int, height: int) -> np.ndarray:
    return np.asarray(grey.resize((width, height), Image.Resampling.BILINEAR))


def _difference_hashes(small: np.ndarray) -> list[NDArray[np.bool_]]:
    """Is a pixel brighter than its left neighbour by 1.5 % of the range? As it is, mirrored, upside down, and both.

    Less is noise, which fills dark borders.
    """
    levels = small.astype(np.float32)
    steps, least = np.diff(levels, axis=1), 0.015 * np.ptp(levels)
    brighter, darker = steps > least, (-steps > least)[:, ::-1]
    return [brighter, darker, brighter[::-1], darker[::-1]]


def _unit(thumbnails: np.ndarray) -> np.ndarray:
    """What is compared (N, 64, 64), of zero mean and unit length, so that a scalar product is a correlation: the detail
    finer than about 3 pixels, or the image itself where it has none above one grey level."""
    grey = thumbnails.astype(np.float32)
    fine = grey - ndimage.gaussian_filter(grey, 1.5, axes=(1, 2))
    shown = np.where(fine.std(axis=(1, 2), keepdims=True) >= 1, _evened(fine), grey)
    centred = shown - shown.mean(axis=(1, 2), keepdims=True)
    unit: np.ndarray = centred / np.maximum(np.linalg.norm(centred, axis=(1, 2), keepdims=True), 1e-6)
    return unit


def _evened(fine: np.ndarray) -> np.ndarray:
    """The detail over its strength nearby, so that contrast and sharpening matter little."""
    strength = np.sqrt(ndimage.gaussian_filter(fine**2, 4, axes=(1, 2)))
    evened: np.ndarray = fine / (strength + 2)  # below 2 grey levels it is noise
    return evened


# Which are copies


def copies(hashes: np.ndarray, thumbnails: np.ndarray, workers: int = 1) -> NDArray[np.int64]:
    """For each image (N,) the first that it is a copy of, itself where there is none: copies of copies are copies.

    ``hashes`` (N, 8, 4) and ``thumbnails`` (N, 64, 64) are the images' ``prints``. Two images are joined if the hash of
    the first and that of the second, turned in one of eight ways, differ in at most ``MOST_BITS``, and if their detail,
    turned the same way, correlates by at least ``CORRELATION``: images of one kind, or dark ones, have similar hashes
    without being copies. Images of one grey are never joined, as nothing tells them apart.

    All are compared with all but those that are joined already: 4 x N² comparisons of a few nanoseconds, by ``workers``
    processes where there are many, and at most 20 kB an image.
    """
    parts = range(0, len(thumbnails), _CHUNK)
    spread = [thumbnails[start : start + _CHUNK].std(axis=(1, 2)) for start in parts]
    telling = np.flatnonzero(np.concatenate([*spread, []]) >= 1)
    words_WVN = np.ascontiguousarray(hashes[telling].T)
    thumbnails = thumbnails[telling]
    units, known = np.empty(thumbnails.shape, np.float32), np.zeros(len(telling), bool)  # only of those suggested
    joined = np.arange(len(telling))

    def blocks() -> Iterator[tuple[int, int]]:
        for row, column in product(range(0, len(telling), _ROWS), range(0, len(telling), _COLUMNS)):
            here = np.concatenate([joined[row : row + _ROWS], joined[column : column + _COLUMNS]])
            if column + _COLUMNS > row and (here != here[0]).any():
                yield row, column

    for near in _searched(words_WVN, blocks(), workers if len(telling) >= PROCESSES_FROM else 1):
        for turn, (left, right) in enumerate(near):
            apart = joined[left] != joined[right]
            left, right = left[apart], right[apart]
            new = np.unique([left, right])
            new = new[~known[new]]
            units[new], known[new] = _unit(thumbnails[new]), True
            alike = _alike(units, _TURNS[turn](units), left, right)
            if alike.any():
                joined = _join(joined, left[alike], right[alike])
    first = np.arange(len(hashes))
    first[telling] = telling[joined]
    return first


def _searched(
    words_WVN: NDArray[np.uint64], blocks: Iterable[tuple[int, int]], workers: int
) -> Iterator[Iterable[Pairs]]:
    """The pairs of each block (row, column), for each turn. Processes search a few blocks ahead: threads would wait for
    one another more than they compute."""
    if workers == 1:
        yield from (map(partial(_near, words_WVN, *block), range(len(_TURNS))) for block in blocks)
        return
    with pool(workers, _take, words_WVN) as searching:
        ahead: deque[Future[list[Pairs]]] = deque()
        for block in blocks:
            ahead.append(searching.submit(_near_in_all_turns, *block))
            if len(ahead) > 2 * workers:
                yield ahead.popleft().result()
        yield from (searched.result() for searched in ahead)


_taken: list[NDArray[np.uint64]] = []


def _take(words_WVN: NDArray[np.uint64]) -> None:
    """Keeps the words in a process that searches."""
    _taken[:] = [words_WVN]


def _near_in_all_turns(row: int, column: int) -> list[Pairs]:
    return [_near(_taken[0], row, column, turn) for turn in range(len(_TURNS))]


def _near(words_WVN: NDArray[np.uint64], row: int, column: int, turn: int) -> Pairs:
    """Pairs of a block, (P,) and (P,) with left < right, whose hashes differ in at most ``MOST_BITS``."""
    found = []
    columns_WN = words_WVN[:, turn, column : column + _COLUMNS]
    for start in range(row, min(row + _ROWS, words_WVN.shape[2]), _STEP):
        rows_WN = words_WVN[:, 0, start : start + _STEP]
        bits = _differing(rows_WN[:2, :, None], columns_WN[:2, None])
        some = np.flatnonzero(bits <= MOST_BITS)
        if len(some) < bits.size / 16:  # half of the bits rules most pairs out
            left, right = np.divmod(some, bits.shape[1])
            near = _differing(rows_WN[:, left], columns_WN[:, right]) <= MOST_BITS
            left, right = left[near], right[near]
        else:
            bits = np.minimum(bits, 127) + _differing(
                rows_WN[2:, :, None], columns_WN[2:, None]
            )  # 256 is none of uint8
            left, right = np.divmod(np.flatnonzero(bits <= MOST_BITS), bits.shape[1])
        left, right = left + start, right + column
        found.append((left[left < right], right[left < right]))
    lefts, rights = zip(*found, strict=True)
    return np.concatenate(lefts), np.concatenate(rights)


def _differing(left: np.ndarray, right: np.ndarray) -> NDArray[np.uint8]:
    """In how many bits the words (W, …) of two hashes differ."""
    bits = np.bitwise_count(left[0] ^ right[0])
    for a, b in zip(left[1:], right[1:], strict=True):
        bits += np.bitwise_count(a ^ b)
    return np.asarray(bits)


def _alike(units: np.ndarray, turned: np.ndarray, left: np.ndarray, right: np.ndarray) -> NDArray[np.bool_]:
    """Which pairs correlate enough. By every fourth row alone most are out of the question: the other rows add at most
    the product of the lengths that they have left."""
    some, others = units[:, ::4], turned[:, ::4]
    rest = np.sqrt(_lacking(some, left) * _lacking(others, right))
    alike: NDArray[np.bool_] = _products(some, others, left, right) + rest >= CORRELATION - 1e-3
    alike[alike] = _products(units, turned, left[alike], right[alike]) >= CORRELATION
    return alike


def _lacking(parts: np.ndarray, images: np.ndarray) -> np.ndarray:
    """The square of the length, (P,), that a part of a unit vector lacks."""
    unique, place = np.unique(images, return_inverse=True)
    lacking: np.ndarray = np.clip(1 - (parts[unique] ** 2).sum(axis=(1, 2)), 0, 1)[place]
    return lacking


def _products(a: np.ndarray, b: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The scalar product (P,) of each pair: one by one, or by one matrix product where they are most of a table."""
    rows, columns = np.unique(left), np.unique(right)
    if len(rows) * len(columns) <= 8 * len(left):
        table = np.tensordot(a[rows], b[columns], axes=((1, 2), (1, 2)))
        return np.asarray(table[np.searchsorted(rows, left), np.searchsorted(columns, right)])
    parts = [slice(start, start + _CHUNK) for start in range(0, len(left), _CHUNK)]
    return np.concatenate([np.einsum("phw,phw->p", a[left[part]], b[right[part]]) for part in parts])


def _join(first: np.ndarray, left: np.ndarray, right: np.ndarray) -> NDArray[np.int64]:
    """The first image (N,) of each image's group after the pairs were joined."""
    nodes, ends = np.unique([first[left], first[right]], return_inverse=True)
    a, b = ends.reshape(2, -1)
    graph = coo_array((np.ones(len(a), bool), (a, b)), shape=(len(nodes), len(nodes)))
    _, group = connected_components(graph, directed=False)
    _, earliest = np.unique(group, return_index=True)  # nodes ascend, so a group's first node is its first image
    now = np.arange(len(first))
    now[nodes] = nodes[earliest[group]]
    joined: NDArray[np.int64] = now[first]
    return joined
