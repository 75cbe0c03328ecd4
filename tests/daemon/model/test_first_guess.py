"""Before a model knows a category: a guess by words, told and never acted on."""

from __future__ import annotations

from datetime import UTC, datetime

from connectors.base import MailText
from daemon.model.first_guess import FirstGuess
from daemon.model.prediction import Prediction
from daemon.rules.decision import Policy, decide
from daemon.store.records import Category, Lesson

INVOICES = Category("c1", "Invoices", "Invoices", "Bills that we have to pay")
ORDERS = Category("c2", "Orders", "Orders", "Customers who want to buy something")
GARDEN = Category("c3", "Garden", "Garden")
ALL = [INVOICES, ORDERS, GARDEN]
BY_UID = {category.uid: category for category in ALL}


def taught(number: int, category: str, text: MailText) -> Lesson:
    return Lesson(number, None, category, text, None, datetime(2026, 1, 1, tzinfo=UTC), 1.0, "person", False)


def test_words_of_names_and_descriptions_point_at_their_category() -> None:
    guesser = FirstGuess(ALL)
    for words, uid in (("your invoice 0815", "c1"), ("a bill", "c1"), ("Our order no. 7", "c2"), ("gardening", "c3")):
        guess = guesser.guess(MailText(subject=words))
        assert guess is not None
        assert guess.best == uid
        assert 1 / 3 < guess.probability < 0.95
        assert abs(sum(probability for _, probability in guess.ranking) - 1) < 1e-5


def test_a_word_in_a_file_points_too_where_the_mail_says_little() -> None:
    guess = FirstGuess(ALL).guess(MailText(body="See enclosed", attached_text="Invoice 4711"))
    assert guess is not None
    assert guess.best == "c1"
    examples = [taught(number, "c3", MailText(body="See enclosed", attached_text="Rosenschere")) for number in (1, 2)]
    guess = FirstGuess(ALL, examples).guess(MailText(subject="Rosenscheren"))
    assert guess is not None
    assert guess.best == "c3"


def test_no_word_in_common_is_no_idea() -> None:
    assert FirstGuess(ALL).guess(MailText(subject="Lunch?", body="Shall we have it at noon")) is None
    assert FirstGuess([]).guess(MailText(subject="Invoice")) is None
    assert FirstGuess(ALL).guess(MailText()) is None


def test_other_scripts_and_accents_are_words_too() -> None:
    guesser = FirstGuess([Category("a", "Réclamations", "R"), Category("b", "发票", "F"), Category("c", "🌱", "S")])
    for words, uid in (("une reclamation", "a"), ("发票", "b")):
        guess = guesser.guess(MailText(body=words))
        assert guess is not None
        assert guess.best == uid


def test_first_examples_teach_what_they_have_in_common() -> None:
    texts = [MailText(body=f"the hedge needs cutting, number {n}", sender="green@hedges.example") for n in range(3)]
    lessons = [taught(number, "c3", text) for number, text in enumerate(texts)]
    mail = MailText(body="when will the hedge be cut?")
    assert FirstGuess(ALL).guess(mail) is None
    guess = FirstGuess(ALL, lessons).guess(mail)
    assert guess is not None
    assert guess.best == "c3"
    assert FirstGuess(ALL, lessons[:1]).guess(mail) is None


def test_guess_without_a_model_is_told_and_leaves_the_mail() -> None:
    guess = Prediction((("c1", 0.6), ("c2", 0.3)))
    decision = decide(None, None, Policy(BY_UID, {}, newcomers=frozenset(BY_UID)), guess)
    assert (decision.category, decision.best, decision.source) == (None, "c1", "none")
    assert decision.reason == (
        "left: there is no trained model yet; by names and descriptions alone Invoices 0.60, next Orders 0.30"
    )


def test_category_that_the_model_does_not_know_is_named_only_where_the_model_leaves_the_mail() -> None:
    policy = Policy(BY_UID, {"c1": 0.9}, "m", frozenset({"c3"}))
    guess = Prediction((("c3", 0.7), ("c1", 0.3)))
    left = decide(Prediction((("c1", 0.5),)), None, policy, guess)
    assert left.category is None
    assert left.best == "c1"
    assert left.reason.endswith("perhaps Garden, which this model does not know yet")
    filed = decide(Prediction((("c1", 0.95),)), None, policy, guess)
    assert filed.category == "c1"
    assert "perhaps" not in filed.reason
    known = decide(Prediction((("c1", 0.5),)), None, policy, Prediction((("c1", 0.9),)))
    assert "perhaps" not in known.reason


def test_mail_like_that_of_a_newer_folder_is_left_however_sure_the_model_is() -> None:
    policy = Policy(BY_UID, {"c1": 0.9}, "m", frozenset({"c3"}))
    sure = decide(Prediction((("c1", 0.99), ("c2", 0.01)), newcomer="c3"), None, policy)
    assert (sure.category, sure.best, sure.probability) == (None, "c1", 0.99)
    assert sure.source == "newcomer", "what people do with it says nothing about the model"
    assert sure.reason == (
        "left: Invoices 0.99, next Orders 0.01; more like mail that people put into Garden, "
        "which this model does not know yet"
    )
    unsure = decide(Prediction((("c1", 0.5),), newcomer="c3"), None, policy, Prediction((("c3", 0.7),)))
    assert unsure.reason.endswith(
        "needs 0.90; more like mail that people put into Garden, which this model does not know yet"
    )
    known = Policy(BY_UID, {"c1": 0.9}, "m")
    assert decide(Prediction((("c1", 0.99),), newcomer="c3"), None, known).category == "c1"
