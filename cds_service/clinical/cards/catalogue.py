"""The catalogue: each card's traits that the rules read, in display order (sections 13, 17 and 18).

What a card is called, its topic, blocks and links stand in `cards.toml`; how urgent it is, its rule says.
"""

from __future__ import annotations

from cds_service.clinical.cards.drafts import MAGNESIUM_LAB, VITAMIN_D_LAB
from cds_service.clinical.datum import Datum


class Traits(Datum, frozen=True):
    """What is so of one card in every response.

    `status`: it tells a finding (R18, R19). `asks`: it only asks for this test, and goes when the test is under way
    (17). `carries`: it takes the magnesium request of R5c. `stays`: it is never folded and does not count (18).
    """

    status: bool = False
    asks: str = ""
    carries: bool = False
    stays: bool = False


CATALOGUE: dict[str, Traits] = {
    "K-DTOX": Traits(status=True),
    "K-MGSEV": Traits(status=True),
    "K-MGVHIGH": Traits(status=True),
    "K-HOLD": Traits(),
    "K-DHIGH": Traits(status=True),
    "K-MGHIGH": Traits(status=True),
    "K-MGLOW": Traits(status=True),
    "K-RESIST": Traits(status=True),
    "K-HIDOSE": Traits(asks=MAGNESIUM_LAB),
    "K-ACTIVED": Traits(),
    "K-DDEF": Traits(status=True, carries=True),
    "K-DINS": Traits(status=True, carries=True),
    "K-TOOSOON": Traits(status=True, asks=VITAMIN_D_LAB, carries=True),
    "K-RECHECK": Traits(asks=VITAMIN_D_LAB, carries=True),
    "K-MGORDER": Traits(asks=MAGNESIUM_LAB),
    "K-MGWASTE": Traits(asks=MAGNESIUM_LAB),
    "K-MGLAT": Traits(status=True),
    "K-MGADJ": Traits(),
    "K-CKD": Traits(),
    "K-DMAINT": Traits(status=True),
    "K-D2INT": Traits(),
    "K-DORDER": Traits(asks=VITAMIN_D_LAB),
    "K-STALE": Traits(asks=VITAMIN_D_LAB),
    "K-PREG": Traits(stays=True),
    "K-PEDS": Traits(stays=True),
    "K-DATA": Traits(stays=True),
}
"""Every card there is; its place here is its place inside one level of urgency (section 18)."""
MAY_BE_CRITICAL = frozenset({"K-DTOX", "K-MGSEV", "K-MGVHIGH", "K-HOLD", "K-MGLOW", "K-DDEF", "K-DINS"})
"""Cards that their rules call critical at times; of the order hooks these are O1, O3 and O4."""
