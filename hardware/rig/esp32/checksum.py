"""The exclusive-or of all bytes, which guards frames of the loader and images."""


def exclusive_or(data: bytes) -> int:
    """All bytes in one, by folding the number that they are: a loop over bytes would be most of a flash's time."""
    length = 1 << max(0, len(data) - 1).bit_length()
    value = int.from_bytes(data, "big")
    while length > 1:
        length //= 2
        value = (value >> 8 * length) ^ (value & ((1 << 8 * length) - 1))
    return value
