"""On which line of a TOML text each key stands.

`tomllib` gives values without places. This walks a text that `tomllib` has already accepted (TOML v1.0.0), so it
looks only for the places and trusts the syntax.
"""

import tomllib

Loc = tuple[str | int, ...]

_BLANK = " \t"
_BARE_END = ",]}\n#"


def key_lines(text: str) -> dict[Loc, int]:
    """The 1-based line of every key, table and array element of a valid TOML `text`, by its path from the root."""
    return _Scanner(text).run()


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text.replace("\r\n", "\n")
        self.position = 0
        self.line = 1
        self.lines: dict[Loc, int] = {}
        self.table_counts: dict[Loc, int] = {}

    def run(self) -> dict[Loc, int]:
        table: Loc = ()
        while self._skip(_BLANK + "\n"):
            if self.text.startswith("[", self.position):
                table = self._header()
            else:
                self._pair(table)
        return self.lines

    def _skip(self, blank: str) -> bool:
        """Pass blanks and comments; False at the end of the text."""
        while self.position < len(self.text):
            character = self.text[self.position]
            if character == "#":
                end = self.text.find("\n", self.position)
                self.position = len(self.text) if end < 0 else end
            elif character in blank:
                self._advance(1)
            else:
                return True
        return False

    def _advance(self, count: int) -> None:
        self.line += self.text.count("\n", self.position, self.position + count)
        self.position += count

    def _header(self) -> Loc:
        repeated = self.text.startswith("[[", self.position)
        line = self.line
        self._advance(2 if repeated else 1)
        keys = self._key_path()
        self._advance(2 if repeated else 1)
        table: Loc = ()
        for key in keys[:-1]:
            table = self._inside((*table, key), line)
        table = (*table, keys[-1])
        if repeated:
            self.lines.setdefault(table, line)
            index = self.table_counts.get(table, 0)
            self.table_counts[table] = index + 1
            table = (*table, index)
        else:
            table = self._inside(table, line)
        self.lines[table] = line
        return table

    def _inside(self, table: Loc, line: int) -> Loc:
        """The newest element where `table` is an array of tables, else `table` itself."""
        self.lines.setdefault(table, line)
        count = self.table_counts.get(table, 0)
        return (*table, count - 1) if count else table

    def _key_path(self) -> list[str]:
        keys = []
        while True:
            self._skip(_BLANK)
            keys.append(self._key())
            self._skip(_BLANK)
            if not self.text.startswith(".", self.position):
                return keys
            self._advance(1)

    def _key(self) -> str:
        start = self.position
        if self.text[start] in "\"'":
            self._string()
            parsed = tomllib.loads("key = " + self.text[start : self.position])
            return str(parsed["key"])
        while self.text[self.position].isalnum() or self.text[self.position] in "-_":
            self.position += 1
        return self.text[start : self.position]

    def _pair(self, table: Loc) -> None:
        line = self.line
        loc = table
        for key in self._key_path():
            loc = (*loc, key)
            self.lines.setdefault(loc, line)
        self._advance(1)  # the equals sign
        self._skip(_BLANK)
        self._value(loc)

    def _value(self, loc: Loc) -> None:
        character = self.text[self.position]
        if character in "\"'":
            self._string()
        elif character == "[":
            self._array(loc)
        elif character == "{":
            self._inline_table(loc)
        else:
            while self.position < len(self.text) and self.text[self.position] not in _BARE_END:
                self.position += 1

    def _string(self) -> None:
        quote = self.text[self.position]
        long_quote = quote * 3
        if self.text.startswith(long_quote, self.position):
            end = self._closing(long_quote, self.position + 3)
            while self.text.startswith(quote, end + 3):  # up to two quotes may stand before the closing three
                end += 1
            self._advance(end + 3 - self.position)
        else:
            self._advance(self._closing(quote, self.position + 1) + 1 - self.position)

    def _closing(self, quote: str, start: int) -> int:
        position = start
        while not self.text.startswith(quote, position):
            position += 2 if quote[0] == '"' and self.text[position] == "\\" else 1
        return position

    def _array(self, loc: Loc) -> None:
        self._advance(1)
        index = 0
        while True:
            self._skip(_BLANK + "\n,")
            if self.text[self.position] == "]":
                self._advance(1)
                return
            self.lines[(*loc, index)] = self.line
            self._value((*loc, index))
            index += 1

    def _inline_table(self, loc: Loc) -> None:
        self._advance(1)
        while True:
            self._skip(_BLANK + "\n,")
            if self.text[self.position] == "}":
                self._advance(1)
                return
            self._pair(loc)
