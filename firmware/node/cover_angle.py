"""How far a cover has turned: the mean of a block of accelerometer readings against the angle it learned at rest.

The mean over a block is the vibration filter: a lorry shakes the cover but does not turn it. The background is learned
when the cover has been at rest for several blocks, and again when it is told to; it is never learned while something
moves, nor from a cover that lies on its face. A mean that is far from one g is no direction: a broken sensor must not
look like a closed cover. Pure logic: readings in thousandths of g go in, tenths of a degree come out, nothing is
allocated.
"""

from protocols import angle

_STILL_TENTHS = 15
_REST_BLOCKS = 4
_GRAVITY = 1000
_GRAVITY_SLACK = 150
_BELIEVED_SLACK = 400
_LYING_TENTHS = 900
_BACKGROUND_BYTES = 6


class CoverAngle:
    """`from_background` and `from_upright` of the last whole block, in tenths of a degree.

    `is_known` says whether there is one, `is_lost` whether the accelerometer is silent or broken, `is_learned` whether
    there is a background.
    """

    def __init__(self, per_block: int, background: "bytes | None" = None) -> None:
        self.from_background = 0
        self.from_upright = 0
        self.is_known = False
        self.is_lost = False
        self.is_learned = False
        self._per_block = per_block
        self._sums = [0, 0, 0]
        self._count = 0
        self._mean = [0, 0, 0]
        self._rest = [0, 0, 0]
        self._rest_blocks = 0
        self._background = [0, 0, 0]
        if background is not None and len(background) == _BACKGROUND_BYTES:
            self._background = [_s16(background, 2 * axis) for axis in range(3)]
            self.is_learned = True

    def add(self, x: int, y: int, z: int) -> bool:
        """Take one reading; True when it has ended a block, so that the angles are new."""
        sums = self._sums
        sums[0] += x
        sums[1] += y
        sums[2] += z
        self._count += 1
        if self._count < self._per_block:
            return False
        for axis in range(3):
            self._mean[axis] = sums[axis] // self._count
            sums[axis] = 0
        self._count = 0
        self._judge()
        return True

    def lose(self) -> None:
        """The accelerometer does not answer: there is no angle until a block is whole again."""
        self.is_known = False
        self.is_lost = True
        self._rest_blocks = 0
        self._count = 0
        for axis in range(3):
            self._sums[axis] = 0

    def learn_again(self) -> None:
        """Forget the background and learn it as soon as the cover rests."""
        self.is_learned = False
        self._rest_blocks = 0

    def background(self) -> bytes:
        """What was learned, for `CoverAngle` after a restart."""
        return b"".join((part & 0xFFFF).to_bytes(2, "big") for part in self._background)

    def _judge(self) -> None:
        mean = self._mean
        size = angle.root(mean[0] * mean[0] + mean[1] * mean[1] + mean[2] * mean[2])
        if abs(size - _GRAVITY) > _BELIEVED_SLACK:
            self.lose()
            return
        self.is_known = True
        self.is_lost = False
        self.from_upright = angle.between(0, 0, _GRAVITY, mean[0], mean[1], mean[2])
        if not self.is_learned:
            self._learn(size)
        if self.is_learned:
            known = self._background
            self.from_background = angle.between(known[0], known[1], known[2], mean[0], mean[1], mean[2])

    def _learn(self, size: int) -> None:
        mean, rest = self._mean, self._rest
        is_gravity = abs(size - _GRAVITY) <= _GRAVITY_SLACK and self.from_upright < _LYING_TENTHS
        is_still = angle.between(rest[0], rest[1], rest[2], mean[0], mean[1], mean[2]) <= _STILL_TENTHS
        if not is_gravity or self._rest_blocks == 0 or not is_still:
            self._rest_blocks = 1 if is_gravity else 0
            for axis in range(3):
                rest[axis] = mean[axis]
            return
        self._rest_blocks += 1
        if self._rest_blocks >= _REST_BLOCKS:
            for axis in range(3):
                self._background[axis] = mean[axis]
            self.is_learned = True


def _s16(buffer: bytes, at: int) -> int:
    value = buffer[at] << 8 | buffer[at + 1]
    return value - 0x10000 if value & 0x8000 else value
