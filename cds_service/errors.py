"""Every error the service raises on purpose. Only `web/` turns one into a status code.

::

    CdsError
    ├── StartupError            the service does not start
    │   ├── GuidanceError       a guidance file is wrong: file, key, value, what was expected
    │   └── SettingsError       a setting is wrong
    └── RequestError            the caller can mend it; each carries one sentence that says how
        ├── MalformedRequest    400  not JSON, or not a CDS Hooks request
        ├── UnclearHost         400  two Host headers, or none
        ├── UnknownService      404  no such service
        ├── BodyTooSlow         408  the body did not arrive in time
        ├── PrefetchUnavailable 412  a required prefetch key is missing, failed or unusable
        ├── BodyTooLarge        413  larger than CDS_MAX_BODY
        ├── TooManyResources    413  more than CDS_MAX_ENTRIES or CDS_MAX_RESOURCES
        ├── WrongMediaType      415  not application/json
        ├── WrongPatient        422  a resource belongs to another patient
        ├── InvalidFhir         422  CDS_STRICT_FHIR is on, and resources are not valid FHIR R4
        ├── TooManyRequests     429  the client calls more often than it may
        ├── ClientGone          499  whoever called has gone away; nobody reads this
        ├── UnknownCoding       501  a Transfer-Encoding that is not known
        ├── Busy                     the same call may do better in a second
        │   ├── Overloaded      503  more calls than are taken on
        │   ├── TooMuchFeedback 503  more feedback than is taken on
        │   ├── NoRoom          503  more bytes of bodies than CDS_MAX_BODIES
        │   └── TookTooLong     503  no answer within CDS_REQUEST_DEADLINE
        └── StoreUnavailable    503  the database cannot be reached, or written

Messages name keys, fields and positions, never values that came from a patient's record.
"""

from __future__ import annotations

from collections.abc import Sequence


class CdsError(Exception):
    """The root of the tree."""


class StartupError(CdsError):
    """The service cannot start; the message says what to mend."""


class GuidanceError(StartupError):
    """A guidance file is wrong."""

    def __init__(self, file: str, key: str, value: object, expected: str) -> None:
        """Name the *file*, the *key* in it, the *value* found and what was *expected*."""
        said = repr(value) if isinstance(value, str) else str(value)
        super().__init__(f"{file}: {key} = {said}: expected {expected}")
        self.file = file
        self.key = key
        self.value = value
        self.expected = expected


class SettingsError(StartupError):
    """A setting is wrong."""


class RequestError(CdsError):
    """Something the caller can mend. `code` is the FHIR issue type of the OperationOutcome, `details` its sentences."""

    code = "invalid"
    retry_after: int | None = None
    """Seconds after which the same call may do better, where it is worth trying again."""

    @property
    def details(self) -> tuple[str, ...]:
        """One sentence for each issue."""
        return (str(self),)


class MalformedRequest(RequestError):
    """The body is not JSON, or not a CDS Hooks request."""


class UnclearHost(RequestError):
    """It is not clear which host is called: a proxy may have understood another one."""


class UnknownService(RequestError):
    """There is no service of that id."""

    code = "not-found"


class BodyTooSlow(RequestError):
    """The body did not arrive in time."""

    code = "timeout"


class PrefetchUnavailable(RequestError):
    """A required prefetch key is missing, failed or unusable (conformance row 73)."""

    code = "required"


class BodyTooLarge(RequestError):
    """The body is larger than the limit."""

    code = "too-long"


class TooManyResources(RequestError):
    """A Bundle has more entries, or the request more resources, than the limits."""

    code = "too-costly"


class WrongMediaType(RequestError):
    """The body is not declared as JSON."""

    code = "not-supported"


class WrongPatient(RequestError):
    """A resource belongs to another patient than the context's (conformance row 44)."""

    code = "business-rule"


class InvalidFhir(RequestError):
    """Resources are not valid FHIR R4, and `CDS_STRICT_FHIR` asks for that."""

    code = "structure"

    def __init__(self, problems: Sequence[str]) -> None:
        """Name all the *problems*: prefetch key, element, what is expected."""
        super().__init__("; ".join(problems))
        self._problems = tuple(problems)

    @property
    def details(self) -> tuple[str, ...]:
        """Each problem."""
        return self._problems


class TooManyRequests(RequestError):
    """The client calls more often than it may."""

    code = "throttled"

    def __init__(self, message: str, retry_after: int) -> None:
        """Say so, and after how many seconds it may call again."""
        super().__init__(message)
        self.retry_after = retry_after


class UnknownCoding(RequestError):
    """The body is coded for the transfer in a way that is not known."""

    code = "not-supported"


class Busy(RequestError):
    """There is too much to do; the same call may do better in a second."""

    code = "transient"
    retry_after = 1


class Overloaded(Busy):
    """The service has more to do than it takes on."""


class TooMuchFeedback(Busy):
    """The service has more feedback to keep than it takes on."""


class NoRoom(Busy):
    """There are as many bytes of bodies under way as there is room for."""


class TookTooLong(Busy):
    """The answer did not come within the deadline."""


class ClientGone(RequestError):
    """Whoever called has gone away before the answer."""

    code = "transient"


class StoreUnavailable(RequestError):
    """The database cannot be reached or written; what needs it is not done."""

    code = "no-store"
    retry_after = 5


def let_go(error: BaseException | None) -> None:
    """Let go of the frames that *error*, which is told by now, went through.

    They know the call with its body and its connection, and the call knows the error: each would keep the other until
    Python next looks for circles.
    """
    while error is not None and error.__traceback__ is not None:  # one that has none was here, or was never raised
        error.__traceback__ = None
        error = error.__cause__ or error.__context__
