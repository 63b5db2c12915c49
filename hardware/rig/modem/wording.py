"""How one module words what the documents leave open: spaces, quotation marks, empty lines, upper and lower case.

Two modules of one family differ by firmware. A seed picks one firmware, so that a driver that matches instead of
tolerating fails on another seed.
"""

from random import Random


class Wording:
    """One firmware's habits, drawn from `seed`; `counts_bytes`: a payload's length is bytes, not hexadecimal digits."""

    def __init__(self, seed: str) -> None:
        random = Random(f"wording/{seed}")
        self.space = random.choice((" ", " ", ""))
        self.quotes_cell = random.random() < 0.7
        self.upper_hex = random.random() < 0.7
        self.blank_line = random.random() < 0.3
        self.result_before_ok = random.random() < 0.5
        self.prompt = random.choice((b"\r\n> ", b"\r\n>", b"> "))
        self.echoes_payload = random.random() < 0.2
        self.short_errors = random.random() < 0.5
        self.quotes_digits = random.random() < 0.5
        self.boot_noise = random.choice((b"", b"\x00", b"\xff\xfe\x00\r\n"))
        self.counts_bytes = False

    def line(self, name: str, *values: object) -> str:
        """`+NAME: values`, in this firmware's spacing."""
        return f"+{name}:{self.space}{','.join(str(value) for value in values)}"

    def hexadecimal(self, data: bytes) -> str:
        """Hexadecimal digits of `data`."""
        text = data.hex()
        return text.upper() if self.upper_hex else text

    def cell(self, text: str) -> str:
        """An area or cell code, quoted or not."""
        return f'"{text}"' if self.quotes_cell else text
