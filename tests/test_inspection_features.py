"""Features of the text: what each says of an example, and that none looks ahead."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charrnn.errors import ConfigError
from charrnn.inspection.feature import ENOUGH, Feature, check, feature, load_features, pattern_feature, track_all
from charrnn.inspection.features import BUILT_IN, chosen_features

BY_NAME = {item.name: item for item in BUILT_IN}
PATTERN = pattern_feature("pattern", r"(?<=\s)a[bc]*(?=\s|\Z)|^x.+")
TEXTS = st.text("\"'`“”«»()[]{}<>/*#-%$\\:=.!? \n\tabiIfwhle_09ЖфAB", max_size=120)

#: Each feature on a text; below every character, "x" where a flag is on, or a number's digit.
EXAMPLES = [
    ("double quotes", 'a "bc" d', "  xxx   "),
    ("double quotes", '"a\n\n"b"c', "xxx xx  "),
    ("single quotes", "'don't' it's", "xxxx x      "),
    ("typographic quotes", "«a „b“ c» d", "xxxxxxxx   "),
    ("parentheses", "a(b(c)d)e", " xxxxxx  "),
    ("brackets", "a[1]]b[", " xx   x"),
    ("braces", "{\n\n}", "xxx "),
    ("parenthesis depth", "(()", "121"),
    ("brace depth", "{{}}}{", "121001"),
    ("nesting depth", "([{}])", "123210"),
    ("line position", "ab\ncd", "12012"),
    ("since space", "ab c\td", "120101"),
    ("line indentation", "  a\n\n b\n", "00222211"),
    ("line indentation", " f(\n  a)\n", "011111222"),
    ("indentation depth", "  a\n\n b\n", "00222211"),
    ("indentation depth", " f(\n  a)\n  b", "011111111112"),
    ("indentation depth", " :(\n\n\t)\na", "011111880"),
    ("in indentation", " \ta b\n c", "xx    x "),
    ("after a newline", "a\nb", " x "),
    ("comment #", "# a\nb # c #d\n#e", " xx    xxxxx   "),
    ("comment //", "x; // y\nhttp://z", "     xx         "),
    ("comment --", "a -- b\n--c\n---d", "    xx       xx"),
    ("comment %", "50% a\n% b\n%d", "       xx   "),
    ("comment /* */", "a/*b*/c/*/d", "  xxx   xxx"),
    ("string literal", r"""'a\'b' "c'd" it's""", "xxxxx  xxxx      "),
    ("string literal", '"a\nb"c', "xx  xx"),
    ("triple-quoted string", 'a """b"c""" d', "    xxxxxx   "),
    ("if or while condition", "if (a && (b)) c;", "   xxxxxxxxx    "),
    ("if or while condition", "} while(x);", "       xx  "),
    ("if or while condition", "if x == 1: y", "   xxxxxx   "),
    ("if or while condition", "ask if x: y", "           "),
    ("start of a word", "to be1", "x  x  "),
    ("inside a word", "to be1", " x  x "),
    ("end of a word", "to be1", "  x  x"),
    ("word length", "to be1", "120120"),
    ("capitals", "aBC_D eF", "  xxxx  "),
    ("number", "a1 0x1F, 2", "   xxxxx x"),
    ("LaTeX math", r"a $b$ \$ \(c\)", "  xx      xxx "),
    ("LaTeX environment depth", r"\begin{a}\end{a}", "0000001111111000"),
    ("XML tag", "<a b>1 < 2</a>", " xxx       xx "),
    ("XML depth", "<a><b/></a> <stdio.h>", "001111111100000000000"),
    ("Markdown heading", "# a\n#b\n== c", " xx     xxx"),
    ("Markdown code", "`a` ```b```", " xx    xxxx"),
    ("wiki link", "a [[b]] c", "   xxx   "),
    ("URL", "a http://b.c d", "        xxxx  "),
    ("speaker's name", "ROMEO:\nA b\n\nLady Ann:", "xxxxx       xxxxxxxx "),
]


def shown(values: np.ndarray) -> str:
    if values.dtype == np.bool_:
        return "".join("x" if value else " " for value in values)
    return "".join(str(round(float(value))) for value in values)


@pytest.mark.parametrize("name, text, expected", EXAMPLES)
def test_examples(name: str, text: str, expected: str) -> None:
    assert shown(BY_NAME[name].values(text)) == expected


def test_every_feature_has_an_example() -> None:
    assert set(BY_NAME) - {name for name, *_ in EXAMPLES} == {"line share", "script"}
    assert len(BY_NAME) == len(BUILT_IN)


def test_line_share_grows_to_one_over_a_typical_line() -> None:
    values = BY_NAME["line share"].values("abcd\n" * 5 + "abcdefgh")
    assert values[-8:].tolist() == [0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2]
    assert not values[:5].any()


def test_script_is_that_of_the_last_letter() -> None:
    assert BY_NAME["script"].values("1a, Ж.あ").tolist() == ["", *["latin"] * 3, *["cyrillic"] * 2, "hiragana"]
    tracked, _ = track_all([BY_NAME["script"]], "a " * ENOUGH + "ж " * ENOUGH)
    assert {item.name: int(item.values.sum()) for item in tracked} == {"script: latin": 400, "script: cyrillic": 400}


@pytest.mark.parametrize("item", [*BUILT_IN, PATTERN], ids=lambda item: item.name)
@settings(max_examples=30, deadline=None)
@given(text=TEXTS, data=st.data())
def test_no_feature_looks_ahead(item: Feature, text: str, data: st.DataObject) -> None:
    values = item.values(text)
    cut = data.draw(st.integers(0, len(text)))
    assert np.array_equal(item.values(text[:cut]), values[:cut])
    # In any chunks, and each value before the next character is taken.
    pieces = itertools.chain.from_iterable([text[:cut], text[cut:]])
    assert list(item.track(pieces)) == list(item.track(iter(text)))
    check([item], text)


@settings(max_examples=60, deadline=None)
@given(before=st.text("abx \n", max_size=700), after=st.text("abx \n", max_size=250))
def test_a_pattern_sees_a_fixed_stretch(before: str, after: str) -> None:
    # The buffer that is cut from time to time changes nothing.
    whole = PATTERN.values(before + "\n" * 250 + after)
    alone = PATTERN.values("\n" * 250 + after)
    assert np.array_equal(whole[len(before) + 250:], alone[250:])


def test_patterns() -> None:
    year = pattern_feature("year", r"(?:19|20)\d\d")
    assert shown(year.values("in 1999, 20199")) == "      x     x "
    region = pattern_feature("quoted", r'"[^"]*')
    assert shown(region.values('a "bc" d')) == "  xxxxxx"  # the second quote begins another
    assert not pattern_feature("empty", "b*").values("aaa").any()
    assert shown(pattern_feature("line", "^ab?").values("ab\na")) == "xx x"
    assert not pattern_feature("ahead", "a(?=b)").values("ab").any()


@pytest.mark.parametrize("pattern", ["(", "a)(b", "[z-a]", "*"])
def test_a_pattern_that_is_none_is_refused(pattern: str) -> None:
    with pytest.raises(ConfigError, match=r"--regex bad: .* is no regular expression"):
        pattern_feature("bad", pattern)


def test_chosen_features() -> None:
    assert chosen_features() == BUILT_IN
    assert [item.name for item in chosen_features(["a=b=c"])[len(BUILT_IN):]] == ["a"]
    for wrong in ("abc", "=b", "a="):
        with pytest.raises(ConfigError, match="NAME=PATTERN"):
            chosen_features([wrong])
    with pytest.raises(ConfigError, match="two features are called 'brackets'"):
        chosen_features(["brackets=x"])


def test_a_users_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("from charrnn.inspection.feature import feature\n\n\n@feature('vowels', predicts='n')\n"
                    "def vowels(characters):\n    for character in characters:\n        yield character in 'aeiou'\n")
    (item,) = load_features(path)
    assert (item.name, item.kind, item.predicts) == ("vowels", "flag", "n")
    assert chosen_features([], path)[-1].values("tea").tolist() == [False, True, True]
    for code, said in (("x = 1", "defines no feature"), ("1 / 0", "ZeroDivisionError"), ("def", "SyntaxError"),
                       ("raise SystemExit", None)):
        path.write_text(code)
        with pytest.raises(SystemExit if said is None else ConfigError, match=said):
            load_features(path)
    with pytest.raises(ConfigError, match=r"absent\.py: cannot be read: No such file"):
        load_features(tmp_path / "absent.py")


def test_features_that_break_the_rule_are_refused() -> None:
    @feature("ahead")
    def ahead(characters):  # type: ignore[no-untyped-def]
        before = next(characters)
        for character in characters:
            yield before == "a"
            before = character
        yield False

    @feature("short")
    def short(characters):  # type: ignore[no-untyped-def]
        yield from (True for character, _ in zip(characters, range(3)))

    @feature("fails")
    def fails(characters):  # type: ignore[no-untyped-def]
        for character in characters:
            yield int(character)

    for item, said in ((ahead, "value 1 came after 2"), (short, "3 values for 5|value 3 came after 4"),
                       (fails, "ValueError")):
        with pytest.raises(ConfigError, match=f"feature '{item.name}': .*{said}"):
            check([item], "abcde")
    check([BY_NAME["brackets"]], "")
    with pytest.raises(ConfigError, match="its kind must be one of"):
        feature("x", "boolean")


def test_what_is_too_rare_or_everywhere_is_dropped_with_the_reason() -> None:
    text = "(" + "a" * 300 + "\n"
    tracked, dropped = track_all([BY_NAME["parentheses"], BY_NAME["brackets"], BY_NAME["nesting depth"],
                                  BY_NAME["line position"]], text)
    assert [item.name for item in tracked] == ["line position"]
    assert dropped == {"parentheses": "0 characters lack it; 200 are needed",
                       "brackets": "0 characters have it; 200 are needed", "nesting depth": "is the same everywhere"}
    nan = Feature("nan", lambda characters: (float("nan") for _ in characters), "number")
    assert track_all([nan], text)[1] == {"nan": "has values that are no numbers"}
