"""The codebook: opaque, one token, append-only."""

from __future__ import annotations

from itertools import islice, pairwise

import pytest
from tokenizers import Tokenizer

from daemon.model.codebook import Codebook, CodebookError, Entry, code_token, usable_codes
from daemon.model.prompt import TAIL


def test_every_code_is_one_and_the_same_token_wherever_it_stands(tokenizer: Tokenizer) -> None:
    for code in islice(usable_codes(tokenizer), 50):
        token = code_token(code, tokenizer)
        for before, after in ((TAIL, ""), ("any text", " goes on"), ("\n", "\n")):
            assert token in tokenizer.encode(f"{before} {code}{after}").ids


def test_codes_come_in_the_same_order_every_time_and_neighbours_share_no_letter(tokenizer: Tokenizer) -> None:
    codes = list(islice(usable_codes(tokenizer), 100))
    assert codes == list(islice(usable_codes(tokenizer), 100))
    assert all(set(one).isdisjoint(other) for one, other in pairwise(codes))


def test_a_word_of_two_tokens_is_no_code(tokenizer: Tokenizer) -> None:
    assert code_token("Invoice", tokenizer) is None


@pytest.mark.model
def test_three_hundred_categories_find_codes_in_the_real_vocabulary(smol_prepared: object) -> None:
    tokenizer = Tokenizer.from_file(str(smol_prepared.tokenizer))  # type: ignore[attr-defined]
    codebook = Codebook().extended((f"category-{number}" for number in range(300)), tokenizer)
    assert len(set(codebook.codes)) == 300
    assert all(code_token(code, tokenizer) is not None for code in codebook.codes)


def test_extending_keeps_old_entries_and_gives_each_new_category_a_new_code(tokenizer: Tokenizer) -> None:
    first = Codebook().extended(["invoices", "orders"], tokenizer)
    second = first.extended(["orders", "quotes", "quotes"], tokenizer)
    assert second.entries[:2] == first.entries
    assert second.categories == ("invoices", "orders", "quotes")
    assert len(set(second.codes)) == 3
    assert second.category(second.code("quotes")) == "quotes"


def test_a_model_fits_a_codebook_that_only_grew(tokenizer: Tokenizer) -> None:
    trained = Codebook().extended(["a", "b"], tokenizer)
    grown = trained.extended(["c"], tokenizer)
    other = Codebook().extended(["b", "a"], tokenizer)
    assert grown.fits(trained)
    assert grown.hash(2) == trained.hash()
    assert not trained.fits(grown)
    assert not other.fits(trained)


def test_more_categories_than_codes_are_refused_in_words(tokenizer: Tokenizer) -> None:
    with pytest.raises(CodebookError, match="676 usable codes, 900 are needed"):
        Codebook().extended(map(str, range(900)), tokenizer)


def test_a_codebook_survives_json(tokenizer: Tokenizer) -> None:
    codebook = Codebook().extended(["Rechnungen", "注文"], tokenizer)
    assert Codebook.from_json(codebook.to_json()) == codebook


@pytest.mark.parametrize(
    "value", [None, 5, [1], [{"code": "AA"}], [{"code": "", "category": "x"}], [{"code": 1, "category": "x"}]]
)
def test_what_is_no_codebook_is_refused(value: object) -> None:
    with pytest.raises(CodebookError):
        Codebook.from_json(value)


def test_a_code_that_stands_for_two_categories_is_refused() -> None:
    with pytest.raises(CodebookError, match="twice"):
        Codebook((Entry("AA", "x"), Entry("AA", "y")))
