"""The technician's page says the same in both languages: headings, pictures, commands, tables, links."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = {name: (DOCS / name).read_text(encoding="utf-8") for name in ("technician.md", "technician.zh.md")}


def both(pattern: str) -> tuple[list[str], list[str]]:
    english, chinese = (re.findall(pattern, text, re.MULTILINE) for text in PAGES.values())
    return english, chinese


def test_both_pages_have_the_same_commands():
    english, chinese = both(r"^    (gatepost .*)$")
    assert english == chinese
    assert len(english) >= 5


def test_both_pages_have_the_same_pictures_and_they_are_ten_at_most():
    english, chinese = both(r"!\[[^\]]+\]\(([^)]+)\)")
    assert english == chinese
    assert 5 <= len(english) <= 10


def test_both_pages_have_the_same_headings_and_rows_of_tables():
    english, chinese = both(r"^(#+) ")
    assert english == chinese
    english, chinese = both(r"^(\|)")
    assert len(english) == len(chinese)


def test_what_a_program_prints_or_takes_is_the_same_in_both():
    english, chinese = (set(re.findall(r"`([^`]+)`", text)) for text in PAGES.values())
    assert english == chinese


@pytest.mark.parametrize("name", PAGES)
def test_every_link_to_a_page_or_a_drawing_leads_to_a_file(name: str):
    links = re.findall(r"\]\(([^)#:]+)\)", PAGES[name])
    missing = [link for link in links if not (DOCS / link).exists()]
    assert missing == []
