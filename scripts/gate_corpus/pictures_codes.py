"""QR codes and bar codes as arrays of 0 (paper) and 1 (ink), from their standards.

QR: ISO/IEC 18004, byte mode, versions 1 to 5 at error level L (one block each, at most 106 bytes), mask 0. Bar codes:
EAN-13 (ISO/IEC 15420), Code 39 (ISO/IEC 16388), Code 128 set B (ISO/IEC 15417).
"""

import numpy as np

_CAPACITY = {1: (19, 7), 2: (34, 10), 3: (55, 15), 4: (80, 20), 5: (108, 26)}
"""Version: words of data and of error correction."""


def qr(content: str) -> np.ndarray:
    """(N, N) uint8 modules, without the quiet zone."""
    data = content.encode("ascii")
    fitting = [version for version, (words, _) in _CAPACITY.items() if len(data) + 2 <= words]
    if not fitting:
        raise ValueError(f"{len(data)} bytes are more than a QR code of version 5 holds; shorten {content!r}")
    version = fitting[0]
    words, checks = _CAPACITY[version]
    bits = f"0100{len(data):08b}" + "".join(f"{byte:08b}" for byte in data) + "0000"
    stream = [int(bits[start : start + 8], 2) for start in range(0, len(bits), 8)]
    stream += [(0xEC, 0x11)[place % 2] for place in range(words - len(stream))]
    stream += _reed_solomon(stream, checks)
    size = 17 + 4 * version
    modules, taken = _patterns(size, version)
    flow = [int(bit) for word in stream for bit in f"{word:08b}"]
    flow += [0] * 7  # the remainder of versions 2 to 5
    for (row, column), bit in zip(_zigzag(size, taken), flow, strict=False):
        modules[row, column] = bit ^ ((row + column) % 2 == 0)
    return modules


def _patterns(size: int, version: int) -> tuple[np.ndarray, np.ndarray]:
    """Finders, timing, alignment and format; and where they lie."""
    modules, taken = np.zeros((size, size), np.uint8), np.zeros((size, size), bool)
    modules[6, ::2] = modules[::2, 6] = 1
    taken[6] = taken[:, 6] = True
    finder = np.zeros((9, 9), np.uint8)
    finder[1:8, 1:8] = 1
    finder[2:7, 2:7] = 0
    finder[3:6, 3:6] = 1
    modules[:8, :8], modules[:8, -8:], modules[-8:, :8] = finder[1:, 1:], finder[1:, :8], finder[:8, 1:]
    taken[:9, :9] = taken[:9, -8:] = taken[-8:, :9] = True
    if version > 1:
        modules[-9:-4, -9:-4] = 1
        modules[-8:-5, -8:-5] = 0
        modules[-7, -7] = 1
        taken[-9:-4, -9:-4] = True
    rest = value = 0b01000 << 10  # level L, mask 0
    for shift in range(4, -1, -1):
        if rest >> (shift + 10) & 1:
            rest ^= 0b10100110111 << shift
    value = (value | rest) ^ 0b101010000010010
    first = [(row, 8) for row in (0, 1, 2, 3, 4, 5, 7, 8)] + [(8, column) for column in (7, 5, 4, 3, 2, 1, 0)]
    second = [(8, size - 1 - place) for place in range(8)] + [(size - 7 + place, 8) for place in range(7)]
    for copy in (first, second):
        for place, cell in enumerate(copy):
            modules[cell] = value >> place & 1
    modules[size - 8, 8] = 1
    return modules, taken


def _zigzag(size: int, taken: np.ndarray) -> list[tuple[int, int]]:
    cells = []
    rights = [*range(size - 1, 6, -2), 5, 3, 1]
    for turn, right in enumerate(rights):
        rows = range(size - 1, -1, -1) if turn % 2 == 0 else range(size)
        cells += [(row, column) for row in rows for column in (right, right - 1) if not taken[row, column]]
    return cells


def _reed_solomon(data: list[int], checks: int) -> list[int]:
    """The remainder of the data by the product of (x - 2^i), over GF(256) with 0x11D."""
    powers, logs = [1], {1: 0}
    for exponent in range(1, 255):
        value = powers[-1] << 1
        powers.append(value ^ 0x11D if value > 255 else value)
        logs[powers[-1]] = exponent

    def times(left: int, right: int) -> int:
        return powers[(logs[left] + logs[right]) % 255] if left and right else 0

    divisor = [1]
    for exponent in range(checks):
        shifted = [*divisor, 0]
        for place, factor in enumerate(divisor):
            shifted[place + 1] ^= times(factor, powers[exponent])
        divisor = shifted
    rest = [*data, *[0] * checks]
    for place in range(len(data)):
        factor = rest[place]
        for step, by in enumerate(divisor):
            rest[place + step] ^= times(by, factor)
    return rest[-checks:]


_LEFT = "0001101 0011001 0010011 0111101 0100011 0110001 0101111 0111011 0110111 0001011"
_PARITY = "LLLLLL LLGLGG LLGGLG LLGGGL LGLLGG LGGLLG LGGGLL LGLGLG LGLGGL LGGLGL"


_LEFT = "0001101 0011001 0010011 0111101 0100011 0110001 0101111 0111011 0110111 0001011"
_PARITY = "LLLLLL LLGLGG LLGGLG LLGGGL LGLLGG LGGLLG LGGGLL LGLGLG LGLGGL LGGLGL"


def ean13(digits: str) -> np.ndarray:
    """(95,) of the first twelve digits; the thirteenth is their check digit."""
    digits = digits[:12] + str(-sum(int(digit) * (1, 3)[place % 2] for place, digit in enumerate(digits[:12])) % 10)
    left = _LEFT.split()
    parity = _PARITY.split()[int(digits[0])]
    flip = str.maketrans("01", "10")
    first = [
        left[int(digit)] if side == "L" else left[int(digit)].translate(flip)[::-1]
        for digit, side in zip(digits[1:7], parity, strict=True)
    ]
    second = [left[int(digit)].translate(flip) for digit in digits[7:]]
    return np.array([int(bar) for bar in "101" + "".join(first) + "01010" + "".join(second) + "101"], np.uint8)


_TABLE39 = """
0=nnnwwnwnn 1=wnnwnnnnw 2=nnwwnnnnw 3=wnwwnnnnn 4=nnnwwnnnw 5=wnnwwnnnn 6=nnwwwnnnn 7=nnnwnnwnw 8=wnnwnnwnn
9=nnwwnnwnn A=wnnnnwnnw B=nnwnnwnnw C=wnwnnwnnn D=nnnnwwnnw E=wnnnwwnnn F=nnwnwwnnn G=nnnnnwwnw H=wnnnnwwnn
I=nnwnnwwnn J=nnnnwwwnn K=wnnnnnnww L=nnwnnnnww M=wnwnnnnwn N=nnnnwnnww O=wnnnwnnwn P=nnwnwnnwn Q=nnnnnnwww
R=wnnnnnwwn S=nnwnnnwwn T=nnnnwnwwn U=wwnnnnnnw V=nwwnnnnnw W=wwwnnnnnn X=nwnnwnnnw Y=wwnnwnnnn Z=nwwnwnnnn
-=nwnnnnwnw *=nwnnwnwnn
"""
_CODE39 = dict(pair.split("=") for pair in _TABLE39.split())


def code39(content: str) -> np.ndarray:
    """Capitals, digits and -; wide is three times narrow."""
    return _bars("".join(_CODE39[letter] + "n" for letter in f"*{content}*").translate(str.maketrans("nw", "13")))


_TABLE128 = """
212222 222122 222221 121223 121322 131222 122213 122312 132212 221213 221312 231212 112232 122132 122231 113222
123122 123221 223211 221132 221231 213212 223112 312131 311222 321122 321221 312212 322112 322211 212123 212321
232121 111323 131123 131321 112313 132113 132311 211313 231113 231311 112133 112331 132131 113123 113321 133121
313121 211331 231131 213113 213311 213131 311123 311321 331121 312113 312311 332111 314111 221411 431111 111224
111422 121124 121421 141122 141221 112214 112412 122114 122411 142112 142211 241211 221114 413111 241112 134111
111242 121142 121241 114212 124112 124211 411212 421112 421211 212141 214121 412121 111143 111341 131141 114113
114311 411113 411311 113141 114131 311141 411131 211412 211214 211232 2331112
"""
_CODE128 = _TABLE128.split()


def code128(content: str) -> np.ndarray:
    values = [104, *(ord(letter) - 32 for letter in content)]
    values.append((104 + sum(place * value for place, value in enumerate(values))) % 103)
    return _bars("".join(_CODE128[value] for value in [*values, 106]))


def _bars(widths: str) -> np.ndarray:
    """Bars and gaps of these widths, by turns."""
    return np.repeat(np.arange(len(widths), dtype=np.uint8) % 2 ^ 1, [int(width) for width in widths])
