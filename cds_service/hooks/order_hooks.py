"""The services that answer while an order is written (order-select) and before it is signed (order-sign).

They interrupt. So the first thing they do is to see whether any order is one that they have something to say about:
nearly every call ends there, without a byte of prefetch read.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import msgspec

from cds_service.clinical import evaluate_orders
from cds_service.clinical.cards.drafts import ACTIVE_D_LAB
from cds_service.clinical.evaluate import Evaluation
from cds_service.clinical.facts import Source
from cds_service.clinical.guidance_types import Guidance
from cds_service.clinical.orders.choose import is_ours, rows_of
from cds_service.errors import MalformedRequest
from cds_service.fhir.bundle import NotFhir, is_null
from cds_service.fhir.draft_orders import DraftOrders, read_drafts
from cds_service.fhir.orders import Ordered
from cds_service.fhir.reader import Record
from cds_service.fhir.terminology import Terminology
from cds_service.fhir.views import NOTHING
from cds_service.hooks.answers import Cards
from cds_service.hooks.card_json import CardWriter
from cds_service.hooks.order_card_json import OrderCardWriter
from cds_service.hooks.patient_view import ID, queries
from cds_service.hooks.registry import Question, Service

SELECT, SIGN = f"{ID}-order-select", f"{ID}-order-sign"
HOOK_VERSION = "1.0"
"""Of both hooks (row 20)."""
REQUIRED = frozenset({Source.PATIENT})
"""A key that fails must not stop an order: its rows stay silent. Without the Patient a call about our drafts is 412."""


class _Context(msgspec.Struct):
    patientId: str  # noqa: N815 - the specification's name
    userId: str  # noqa: N815 - the specification's name
    draftOrders: msgspec.Raw = NOTHING  # noqa: N815 - the specification's name
    selections: msgspec.Raw = NOTHING


_CONTEXT = msgspec.json.Decoder(_Context)


@dataclass(frozen=True, slots=True)
class OrderContext:
    """What an order hook tells: the drafts, and what belongs into orders of ours. It never shows in a repr."""

    read: DraftOrders = field(repr=False)
    ours: bool
    told: _Context = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Hook:
    """What both services share, once for each: how a context is read, judged and answered."""

    terms: Terminology
    guidance: Guidance
    off: frozenset[str]
    signing: bool

    def read_context(self, raw: msgspec.Raw) -> OrderContext:
        """The drafts of the context, and whether any that is judged is ours.

        Raises:
            MalformedRequest: there is no Bundle of drafts.
            WrongPatient: a draft is for another patient.
        """
        told = _CONTEXT.decode(raw)
        if is_null(told.draftOrders):
            message = "context needs draftOrders: the Bundle of the orders that are being written"
            raise MalformedRequest(message)
        return self._read(told)

    def completed(self, context: OrderContext, record: Record) -> OrderContext:
        """The context in which a drug is known that only the record's Medications name."""
        return self._read(context.told, record.medications.included) if context.read.unclear else context

    def _read(self, told: _Context, included: Iterable[bytes] = ()) -> OrderContext:
        try:
            read = read_drafts(
                told.draftOrders, told.selections, told.patientId, self.terms, signing=self.signing, included=included
            )
        except NotFhir as error:
            message = "context.draftOrders must be a Bundle resource"
            raise MalformedRequest(message) from error
        ours = any(is_ours(draft, self.guidance, signing=self.signing) for draft in read.drafts.listed)
        return OrderContext(read, ours or read.unclear, told)

    def evaluate(self, question: Question) -> Evaluation:
        """The rows O1 to O13r."""
        context: OrderContext = question.context
        return evaluate_orders.evaluate(
            question.facts,
            context.read.drafts,
            question.guidance,
            question.today,
            question.max_cards,
            question.said,
            off=self.off | rows_of(question.off_topics, question.guidance),
        )

    def write(
        self, writer: CardWriter, evaluation: Evaluation, context: OrderContext, ordered: Ordered
    ) -> tuple[Cards, Evaluation]:
        """The response, and the evaluation with the suggestions that it has."""
        response, cards = OrderCardWriter(writer, context.read.resources, ordered).write(evaluation.order_cards)
        return response, evaluation.changed(order_cards=cards)


def select(terms: Terminology, guidance: Guidance, off: Iterable[str] = (), *, patient_alone: bool = False) -> Service:
    """The service on order-select; rows in *off* are silent. *patient_alone*: discovery asks for the Patient alone."""
    hook = _Hook(terms, guidance, frozenset(off), signing=False)
    service = _service(
        hook,
        SELECT,
        "order-select",
        "Vitamin D and magnesium: while an order is written",
        "Looks at orders of vitamin D, magnesium and their tests while they are written, and speaks where the chart "
        "gives a reason: dose, form, duplicates, kidneys, high levels, tests too soon. Decision support awaiting "
        "clinical review.",
    )
    return replace(service, advertised=REQUIRED) if patient_alone else service


def sign(terms: Terminology, guidance: Guidance, off: Iterable[str] = ()) -> Service:
    """The service on order-sign; rows in *off* are silent."""
    hook = _Hook(terms, guidance, frozenset(off), signing=True)
    return _service(
        hook,
        SIGN,
        "order-sign",
        "Vitamin D and magnesium: before an order is signed",
        "Looks at all orders of vitamin D and magnesium just before they are signed, and says what is critical or a "
        "warning. Decision support awaiting clinical review.",
    )


def _service(hook: _Hook, service_id: str, name: str, title: str, description: str) -> Service:
    return Service(
        id=service_id,
        hook=name,
        title=title,
        description=description,
        usage_requirements=(
            f"For health professionals, on the hook {name}. Needs draftOrders and the Patient (FHIR R4), by prefetch; "
            "25(OH)D, magnesium and other results, conditions, medications and laboratory orders: a row whose facts "
            "are not available is silent."
        ),
        prefetch=queries(hook.terms, hook.guidance.labs[ACTIVE_D_LAB].code),
        required=REQUIRED,
        read_context=hook.read_context,
        evaluate=hook.evaluate,
        is_idle=_is_idle,
        completed=hook.completed,
        write=hook.write,
        hook_version=HOOK_VERSION,
    )


def _is_idle(context: OrderContext) -> bool:
    return not context.ours
