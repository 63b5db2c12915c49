"""How wide a text is: DejaVu Sans, the widest of the fonts that the drawings name, so that none runs over its box.

Advances in thousandths of the font's size, printable ASCII from the space on (DejaVu 2.37, table hmtx).
"""

from collections.abc import Iterator

_FIRST = 32
_WIDEST = 1000
_REGULAR = (
    *(318, 401, 460, 838, 636, 950, 780, 275, 390, 390, 500, 838, 318, 361, 318, 337, 636, 636, 636, 636, 636, 636),
    *(636, 636, 636, 636, 337, 337, 838, 838, 838, 531, 1000, 684, 686, 698, 770, 632, 575, 775, 752, 295, 295, 656),
    *(557, 863, 748, 787, 603, 787, 695, 635, 611, 732, 684, 989, 685, 611, 685, 390, 337, 390, 838, 500, 500, 613),
    *(635, 550, 635, 615, 352, 635, 634, 278, 278, 579, 278, 974, 634, 612, 635, 635, 411, 521, 392, 634, 592, 818),
    *(592, 592, 525, 636, 337, 636, 838),
)
_BOLD = (
    *(348, 456, 521, 838, 696, 1002, 872, 306, 457, 457, 523, 838, 380, 415, 380, 365, 696, 696, 696, 696, 696, 696),
    *(696, 696, 696, 696, 400, 400, 838, 838, 838, 580, 1000, 774, 762, 734, 830, 683, 683, 821, 837, 372, 372, 775),
    *(637, 995, 837, 850, 733, 850, 770, 720, 682, 812, 774, 1103, 771, 724, 725, 457, 365, 457, 838, 500, 500, 675),
    *(716, 593, 716, 678, 435, 716, 712, 343, 343, 665, 343, 1042, 712, 687, 716, 716, 493, 595, 478, 712, 652, 924),
    *(645, 652, 582, 712, 365, 712, 838),
)


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """Width of one line in the units of `size`; what is not ASCII counts as the widest letter."""
    advances = _BOLD if bold else _REGULAR
    total = 0
    for character in text:
        index = ord(character) - _FIRST
        total += advances[index] if 0 <= index < len(advances) else _WIDEST
    return total * size / 1000


def fitting_size(text: str, width: float, size: float, *, bold: bool = False) -> float:
    """The size, at most `size`, at which the text is no wider than `width`."""
    return min(size, size * width / max(text_width(text, size, bold=bold), 1e-9))


def wrapped(text: str, width: float, size: float, *, bold: bool = False) -> Iterator[str]:
    """The text in lines no wider than `width`, broken at spaces; a longer word is broken where the line ends."""
    line = ""
    for word in text.split():
        longer = f"{line} {word}" if line else word
        if text_width(longer, size, bold=bold) <= width:
            line = longer
            continue
        if line:
            yield line
        *full, line = _pieces(word, width, size, bold)
        yield from full
    if line:
        yield line


def _pieces(word: str, width: float, size: float, bold: bool) -> list[str]:
    pieces = [""]
    for character in word:
        if pieces[-1] and text_width(pieces[-1] + character, size, bold=bold) > width:
            pieces.append("")
        pieces[-1] += character
    return pieces
