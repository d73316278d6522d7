"""Every mistake that the tutor knows, planted, is named; right answers of all styles are right."""

import re
from collections import Counter

import pytest

from tests.tutor.right import ANSWERS
from tinycnn.tutor import catalogue
from tinycnn.tutor.results import Raised
from tinycnn.tutor.search import Trial, attempt
from tinycnn.tutor.steps import steps_of

EXERCISES = catalogue()
SEEDS = 40


def tried(trial, function):
    return [trial.tried(at, attempt(function, arguments)) for at, arguments in enumerate(trial.cases)]


def is_right(trial, function):
    return all(case.is_right for case in tried(trial, function))


def wrongly_judged(exercise, seeds):
    """Yield what goes wrong: which right answer is called wrong, which mistake is not named."""
    for seed in seeds:
        trial = Trial(exercise, seed)
        for answer in (*exercise.all_models, *ANSWERS[exercise.name]):
            if not is_right(trial, answer):
                yield seed, answer.__name__
        for wrong in exercise.with_one_mistake():
            cases = tried(trial, wrong.function)
            named = [] if all(case.is_right for case in cases) else trial.find(cases)
            if named != [wrong.mistakes]:
                yield seed, wrong.mistakes, named


@pytest.mark.parametrize("name", EXERCISES)
def test_a_planted_mistake_is_named_and_right_answers_are_right(name):
    assert not list(wrongly_judged(EXERCISES[name], range(2)))


@pytest.mark.slow
@pytest.mark.parametrize("name", EXERCISES)
def test_a_planted_mistake_is_named_over_many_seeds(name):
    assert not list(wrongly_judged(EXERCISES[name], range(2, SEEDS)))


@pytest.mark.slow
def test_two_mistakes_at_once_are_named():
    """Of pairs that differ from each of the two alone, else there is one mistake to be seen; every third."""
    counts = Counter()
    for exercise in EXERCISES.values():
        trial = Trial(exercise, 1)
        for wrong in exercise.with_two_mistakes()[::3]:
            cases = tried(trial, wrong.function)
            if all(case.is_right for case in cases) or all(isinstance(c.yours, Raised) for c in cases):
                continue
            named = trial.find(cases)
            one_is_seen = len(named) == 1 and len(named[0]) == 1 and named[0][0] in wrong.mistakes
            counts["one" if one_is_seen else "named" if named == [wrong.mistakes] else "not named"] += 1
    assert counts["named"] > 1000
    assert counts["named"] / (counts["named"] + counts["not named"]) > 0.95
    assert counts["named"] / counts.total() > 0.8


def test_there_are_three_styles_of_right_answers():
    assert ANSWERS.keys() == EXERCISES.keys()
    for name, answers in ANSWERS.items():
        assert len(answers) >= 2, name
        assert len(answers) + len(EXERCISES[name].all_models) >= 4, name


def test_every_sentence_is_of_one_mistake():
    sentences = Counter(m.sentence for exercise in EXERCISES.values() for m in exercise.mistakes)
    assert len(sentences) > 400
    assert [sentence for sentence, count in sentences.items() if count > 1] == []


def test_a_sentence_does_not_give_the_code_away():
    for exercise in EXERCISES.values():
        for mistake in exercise.mistakes:
            assert not any(piece in mistake.sentence for piece in ("np.", "+=", "[:", "keepdims", "axis="))
            assert mistake.sentence.endswith(".")


def test_a_sentence_says_what_was_done_and_what_to_do():
    for exercise in EXERCISES.values():
        for mistake in exercise.mistakes:
            assert len(re.findall(r"[.:;?]( |$)", mistake.sentence)) >= 2, mistake.sentence


def test_the_exercises_cover_every_equation():
    assert len(EXERCISES) >= 33
    assert {exercise.equation for exercise in EXERCISES.values()} >= set(range(1, 17))
    for exercise in EXERCISES.values():
        assert len(exercise.hints) == 3
        assert exercise.lesson is not None
        assert f"def {exercise.signature}:" in exercise.stub
        assert len(exercise.mistakes) >= 8


@pytest.mark.parametrize("name", EXERCISES)
def test_the_first_number_that_differs_has_a_step(name):
    """Where `explain` knows the operation: its step, and the learner's number beside it."""
    exercise = EXERCISES[name]
    trial = Trial(exercise, 0)
    for wrong in exercise.with_one_mistake():
        at = next(case for case in tried(trial, wrong.function) if not case.is_right)
        for step in steps_of(exercise, at):
            assert "yours is" in step.numbers
            assert step.panels[-1].array == "yours"
            assert "result" in step.panels[-1].marks.values()
