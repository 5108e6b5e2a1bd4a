"""Copies: the same image twice, also rescaled, recompressed, mirrored or turned, found without knowing where to look.

Two steps. A difference hash suggests pairs. The fine detail of their thumbnails, contrast evened out, confirms them:
two patients in the same position look alike at a glance, but only a copy has the same vessels and the same noise.

Shapes: N images, V = 8 turns, G groups of bands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations, combinations_with_replacement

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from unveil.pixels import display

HASH_SIDE = 16
THUMBNAIL_SIDE = 64
#: A copy's hash differs in at most so many of its 256 bits, and its detail correlates at least so much. Both were set
#: on public sets whose copies are known (tests/test_duplicates.py).
MOST_BITS = 20
CORRELATION = 0.85

_BITS = HASH_SIDE**2
_GROUPS, _BANDS, _KEPT = 7, 6, 4
_PIECE = 2**18  # pairs of hashes that are compared at once: some 50 MB
_CHUNK = 2**12  # pairs of thumbnails: at most 130 MB
_BLOCK = 1024  # images that are compared all with all at once

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

#: Pairs that may be copies: images (P,), images (P,), turns of the second ones (P,).
Pairs = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


# What an image is known by


def prints(array: np.ndarray) -> tuple[NDArray[np.bool_], NDArray[np.uint8]]:
    """The image's difference hashes (8, 256), one for each turn of it, and its grey thumbnail (64, 64).

    Scaling, recompression and contrast barely change either.
    """
    grey = Image.fromarray(display("array", array, None)).convert("L")
    wide, tall = _shrunk(grey, HASH_SIDE + 1, HASH_SIDE), _shrunk(grey, HASH_SIDE, HASH_SIDE + 1)
    hashes = np.stack([_difference_hash(turn(wide if k < 4 else tall)) for k, turn in enumerate(_TURNS)])
    # In two steps, the first by a whole factor: a third of the time. The hashes would change by a bit or two.
    return hashes, _shrunk(grey, THUMBNAIL_SIDE, THUMBNAIL_SIDE, gap=3.0)


def _shrunk(grey: Image.Image, width: int, height: int, gap: float | None = None) -> np.ndarray:
    return np.asarray(grey.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=gap))


def _difference_hash(small: np.ndarray) -> NDArray[np.bool_]:
    """Is a pixel brighter than its left neighbour by 1.5 % of the range? Less is noise, which fills dark borders."""
    levels = small.astype(np.float32)
    return (np.diff(levels, axis=1) > 0.015 * np.ptp(levels)).ravel()


def _detail(fine: np.ndarray) -> np.ndarray:
    """What is fine (N, 64, 64) over its strength nearby, so that contrast and sharpening matter little."""
    return fine / (np.sqrt(ndimage.gaussian_filter(fine**2, 4, axes=(1, 2))) + 2)  # below 2 grey levels it is noise


def _unit(thumbnails: np.ndarray) -> np.ndarray:
    """What is compared (N, 64, 64), of zero mean and unit length, so that a scalar product is a correlation: the detail
    finer than about 3 pixels, or the image itself where it has none above one grey level."""
    grey = thumbnails.astype(np.float32)
    fine = grey - ndimage.gaussian_filter(grey, 1.5, axes=(1, 2))
    shown = np.where(fine.std(axis=(1, 2), keepdims=True) >= 1, _detail(fine), grey)
    centred = shown - shown.mean(axis=(1, 2), keepdims=True)
    return centred / np.maximum(np.linalg.norm(centred, axis=(1, 2), keepdims=True), 1e-6)


# Which are copies


def copies(hashes: np.ndarray, thumbnails: np.ndarray) -> NDArray[np.int64]:
    """For each image (N,) the first that it is a copy of, itself where there is none: copies of copies are copies.

    ``hashes`` (N, 8, 256) and ``thumbnails`` (N, 64, 64) are the images' ``prints``. Two images are joined if the hash
    of the first and that of the second, turned in one of eight ways, differ in at most ``MOST_BITS``, and if their
    detail, turned the same way, correlates by at least ``CORRELATION``: images of one kind, or dark ones, have similar
    hashes without being copies. Images of one grey are never joined, as nothing tells them apart.

    No pair that fulfils this is missed. Time grows about as N log N where images differ, and with the square of those
    that have like hashes; memory with N.
    """
    spread = [part.std(axis=(1, 2)) for part in np.split(thumbnails, range(_BLOCK, len(thumbnails), _BLOCK))]
    telling = np.flatnonzero(np.concatenate(spread) >= 1)
    found = _Joined(thumbnails[telling])
    for left, right, turn in _suggested(hashes[telling], found):
        for one in np.unique(turn):
            found.confirm(left[turn == one], right[turn == one], one)
    first = np.arange(len(thumbnails))
    first[telling] = telling[found.first]
    return first


class _Joined:
    """Which images are joined so far: ``first`` (N,) holds for each the first image of its group."""

    def __init__(self, thumbnails: np.ndarray) -> None:
        self.first = np.arange(len(thumbnails))
        self._thumbnails = thumbnails
        self._units = np.empty((0, THUMBNAIL_SIDE, THUMBNAIL_SIDE), np.float32)  # of those images that were suggested
        self._place = np.full(len(thumbnails), -1)  # of an image in there
        self._filled = 0

    def confirm(self, left: np.ndarray, right: np.ndarray, turn: int) -> None:
        """Joins those of the pairs that are copies; pairs that are joined already are not looked at again."""
        apart = self.first[left] != self.first[right]
        left, right = left[apart], right[apart]
        if not len(left):
            return
        rows, columns = np.unique(left), np.unique(right)
        if max(len(rows), len(columns)) <= _BLOCK and len(rows) * len(columns) <= 8 * len(left):
            copies = self._table(rows, columns, turn)[np.searchsorted(rows, left), np.searchsorted(columns, right)]
            self._join(left[copies], right[copies])
            return
        for start in range(0, len(left), _CHUNK):
            i, j = left[start : start + _CHUNK], right[start : start + _CHUNK]
            apart = self.first[i] != self.first[j]
            i, j = i[apart], j[apart]
            copies = self._alike(i, j, turn)
            self._join(i[copies], j[copies])

    def _table(self, rows: np.ndarray, columns: np.ndarray, turn: int) -> NDArray[np.bool_]:
        """Which correlate enough, all with all: one product, where many hashes are alike."""
        a, b = self._placed(rows), self._placed(columns)
        upright, turned = self._units[a], _TURNS[turn](self._units)[b]
        return upright.reshape(len(a), -1) @ turned.reshape(len(b), -1).T >= CORRELATION

    def _alike(self, left: np.ndarray, right: np.ndarray, turn: int) -> NDArray[np.bool_]:
        """Which correlate enough, pair by pair. By every fourth row alone most are out of the question: the other rows
        add at most the product of what the two lengths still lack."""
        left, right = self._placed(left), self._placed(right)
        turned = _TURNS[turn](self._units)
        a, b = self._units[:, ::4][left], turned[:, ::4][right]
        some, of_a, of_b = (np.einsum("phw,phw->p", x, y) for x, y in ((a, b), (a, a), (b, b)))
        alike = some + np.sqrt(np.clip(1 - of_a, 0, 1) * np.clip(1 - of_b, 0, 1)) >= CORRELATION - 1e-3
        whole = np.einsum("phw,phw->p", self._units[left[alike]], turned[right[alike]])
        alike[alike] = whole >= CORRELATION
        return alike

    def _placed(self, images: np.ndarray) -> NDArray[np.int64]:
        """The places of the images' units, which are computed now where they are not there yet."""
        new = np.unique(images[self._place[images] < 0])
        end = self._filled + len(new)
        if end > len(self._units):  # at least doubled, so that all copying together is linear
            more = max(end, 2 * len(self._units)) - len(self._units)
            self._units = np.concatenate([self._units, np.empty((more, *self._units.shape[1:]), np.float32)])
        self._units[self._filled : end] = _unit(self._thumbnails[new])
        self._place[new] = np.arange(self._filled, end)
        self._filled = end
        return self._place[images]

    def _join(self, left: np.ndarray, right: np.ndarray) -> None:
        nodes, ends = np.unique([self.first[left], self.first[right]], return_inverse=True)
        a, b = ends.reshape(2, -1)
        graph = coo_array((np.ones(len(a), bool), (a, b)), shape=(len(nodes), len(nodes)))
        _, group = connected_components(graph, directed=False)
        _, earliest = np.unique(group, return_index=True)  # nodes ascend, so a group's first node is its first image
        now = np.arange(len(self.first))
        now[nodes] = nodes[earliest[group]]
        self.first = now[self.first]


# Which may be copies


def _suggested(hashes: np.ndarray, found: _Joined) -> Iterator[Pairs]:
    """All pairs whose hashes differ in at most ``MOST_BITS``, each once.

    The 256 bits are dealt to 7 groups of 6 bands. Of 20 bits that differ one group has at most 2, so that 4 of its 6
    bands are equal: every pair stands side by side in one of 7 x 15 sortings by four bands. Where images are so alike
    that these would suggest more than there are pairs, all are compared with all.
    """
    words = _words(hashes)
    tables = [(g, kept) for g in range(_GROUPS) for kept in combinations(range(_BANDS), _KEPT)]
    for n, (group, kept) in enumerate(tables):
        order, begin, end = _sorting(words[:, :, group], kept)
        if n == 0 and len(tables) * (end - begin).sum() > words[:, :, 0].size * len(words) / 8:
            yield from _of_all(hashes, found)
            return
        yield from _side_by_side(words, order, begin, end, group, kept)


def _words(hashes: np.ndarray) -> NDArray[np.uint64]:
    """(N, V, groups): the bits dealt to bands by turns, so that neighbours lie apart; a band is a byte of its group."""
    bands = _GROUPS * _BANDS
    dealt = np.zeros((*hashes.shape[:2], -(-_BITS // bands) * bands), bool)
    dealt[..., :_BITS] = hashes
    packed = np.packbits(dealt.reshape(*hashes.shape[:2], -1, bands), axis=2)
    out = np.zeros((*hashes.shape[:2], _GROUPS, 8), np.uint8)
    out[..., :_BANDS] = packed.reshape(*hashes.shape[:2], _GROUPS, _BANDS)
    return out.view(np.uint64)[..., 0]


def _sorting(words: np.ndarray, kept: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The order of all turned images (N x V) by the kept bands of (N, V) words, and where (N,) the images themselves
    find their like in it."""
    mask = np.zeros(8, np.uint8)
    mask[list(kept)] = 255
    keys = words & mask.view(np.uint64)
    order = np.argsort(keys, axis=None)
    ranked = keys.ravel()[order]
    return order, np.searchsorted(ranked, keys[:, 0], "left"), np.searchsorted(ranked, keys[:, 0], "right")


def _side_by_side(
    words: np.ndarray, order: np.ndarray, begin: np.ndarray, end: np.ndarray, group: int, kept: tuple[int, ...]
) -> Iterator[Pairs]:
    """The pairs of one sorting that are near enough, without those that an earlier sorting has suggested."""
    turns = words.shape[1]
    others = [band for band in range(max(kept)) if band not in kept]
    ends = np.cumsum(end - begin)
    for part in np.split(np.arange(len(words)), np.flatnonzero(np.diff(ends // _PIECE)) + 1):
        like = (end - begin)[part]
        left = np.repeat(part, like)
        steps = np.arange(like.sum()) - np.repeat(np.cumsum(like) - like, like)
        right, turn = np.divmod(order[np.repeat(begin[part], like) + steps], turns)
        later = right > left
        left, right, turn = left[later], right[later], turn[later]
        differing = words[left, 0] ^ words[right, turn]
        equal = differing.view(np.uint8).reshape(len(left), _GROUPS, 8)[:, :, :_BANDS] == 0
        told = (equal[:, :group].sum(2) >= _KEPT).any(1) | equal[:, group, others].any(1)
        near = (np.bitwise_count(differing).sum(1) <= MOST_BITS) & ~told
        yield left[near], right[near], turn[near]


def _of_all(hashes: np.ndarray, found: _Joined) -> Iterator[Pairs]:
    """The near pairs by matrix products (bits as +-1: a . b = bits - 2 d), block by block."""
    starts = range(0, len(hashes), _BLOCK)
    for turn in range(hashes.shape[1]):
        for one, other in combinations_with_replacement(starts, 2):
            rows, columns = slice(one, one + _BLOCK), slice(other, other + _BLOCK)
            if len(np.unique([*found.first[rows], *found.first[columns]])) == 1:
                continue
            signs, turned = (
                np.where(h, np.float32(1), np.float32(-1)) for h in (hashes[rows, 0], hashes[columns, turn])
            )
            near = signs @ turned.T >= _BITS - 2 * MOST_BITS
            left, right = np.nonzero(np.triu(near, 1) if one == other else near)
            yield left + one, right + other, np.full(len(left), turn)
