"""Members of a batch: what is wrong with one spoils no other, and is told as if it came alone."""

import traceback
from collections.abc import Mapping

import structlog
from fastapi_problem.error import Problem
from pydantic import ValidationError

from chassis.http.problems import ALWAYS, Unexpected, invalid_request, of_refusal

log = structlog.get_logger()


def unfit(error: ValidationError) -> Problem:
    """The problem of a member whose body does not fit."""
    return invalid_request([{**one, "loc": ("body", *one["loc"])} for one in error.errors()])


def problem_of(error: Exception, refusals: Mapping[type[Exception], int]) -> Problem:
    """A member's refusal, by the service's own statuses, or a fault of ours, which is logged."""
    if isinstance(error, Problem):
        return error
    status = {**ALWAYS, **refusals}.get(type(error))
    if status is not None:
        return of_refusal(error, status)
    # Without its text, in which the database may repeat the row with the customer's name.
    at = traceback.format_tb(error.__traceback__)
    log.error("a member of a batch failed", error=type(error).__name__, at=at)
    return Unexpected(str(error))
