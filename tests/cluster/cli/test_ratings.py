# pyright: strict
"""People's ratings of pictures, from a table."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.cli.ratings import read_ratings


def test_a_rating_of_nought_is_a_rating(tmp_path: Path) -> None:
    table = tmp_path / "ratings.csv"
    table.write_text("file,rating\na.png,0\nb.png,\n")
    assert read_ratings(table, [Path("a.png"), Path("b.png")]) == [0.0, None]


@pytest.mark.parametrize("rating", ["1e999", "nan", "good", "9" * 200])
def test_what_is_no_number_is_said_with_its_line_and_cut_when_it_is_long(tmp_path: Path, rating: str) -> None:
    table = tmp_path / "ratings.csv"
    table.write_text(f"file,rating\na.png,1\na.png,{rating}x\n")
    with pytest.raises(ValueError, match=r"ratings\.csv, line 3: rating '.{1,62}' is no number"):
        read_ratings(table, [Path("a.png")])


def test_a_table_that_rates_other_pictures_is_refused(tmp_path: Path) -> None:
    table = tmp_path / "ratings.csv"
    table.write_text("file,rating\na.png,1\n")
    with pytest.raises(ValueError, match="rates none of the pictures"):
        read_ratings(table, [Path("b.png")])
