"""Members of a batch: refusals as alone, faults of ours logged without what they repeat."""

import pytest
import structlog
from chassis.http.members import problem_of, unfit
from chassis.http.problems import NotFound, as_body
from chassis.outbox import MessageTooLarge
from pydantic import BaseModel, ValidationError


class TooLate(Exception):
    """A refusal of some service."""


class Wish(BaseModel):
    amount: int


def test_a_refusal_has_the_status_that_it_has_alone() -> None:
    """The service's own statuses, those that every service has, and the edge's own problems."""
    assert problem_of(TooLate("Come earlier."), {TooLate: 409}).status == 409
    assert problem_of(MessageTooLarge("orders.v1", 2_000_000), {}).status == 413
    gone = NotFound("It was not found.")
    assert problem_of(gone, {}) is gone


def test_a_fault_of_ours_is_logged_without_its_text() -> None:
    """Its text may repeat a customer's name; the caller is told to try again."""
    with structlog.testing.capture_logs() as logs:
        problem = problem_of(RuntimeError("row (Aigerim) already there"), {})
    assert problem.status == 500
    assert logs[0]["log_level"] == "error"
    assert "Aigerim" not in str(logs) + str(as_body(problem))


def test_a_body_that_does_not_fit_says_where() -> None:
    """With the pointer that it would have if it came alone."""
    with pytest.raises(ValidationError) as caught:
        Wish.model_validate({"amount": "much"})
    problem = unfit(caught.value)
    assert problem.status == 422
    assert as_body(problem)["errors"][0]["pointer"] == "/amount"
