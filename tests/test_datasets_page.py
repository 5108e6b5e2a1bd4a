"""The page of the data sets."""

from scripts import datasets_page


def test_the_page_tells_the_rows_as_they_are() -> None:
    """`python -m scripts.datasets_page` writes it anew."""
    assert datasets_page.PAGE.read_text(encoding="utf-8") == datasets_page.page()
