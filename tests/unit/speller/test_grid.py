from collections import Counter

from rtbci.recipes import read_paradigm
from rtbci.speller.grid import letters_for, rows_of


def test_rows_are_those_of_the_recipe_or_about_a_square() -> None:
    recipe = read_paradigm("p300")
    assert recipe.flashes is not None
    assert rows_of(recipe) == recipe.flashes.grid
    bare = recipe.model_copy(
        update={"flashes": recipe.flashes.model_copy(update={"grid": ()}), "classes": tuple("ABCDEFG")}
    )
    assert rows_of(bare) == (("A", "B", "C"), ("D", "E", "F"), ("G",))


def test_letters_come_again_only_when_all_have_been() -> None:
    letters = letters_for(tuple("ABC"), 7, 1)
    assert sorted(letters[:3]) == sorted(letters[3:6]) == list("ABC")
    assert Counter(letters).total() == 7
    assert letters == letters_for(tuple("ABC"), 7, 1) != letters_for(tuple("ABC"), 7, 2)
    assert letters_for(tuple("ABC"), 0, 1) == []
