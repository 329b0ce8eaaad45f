"""The columns of the example's data. A fork replaces this file, and the steps follow.

The data are UCI's "Default of Credit Card Clients" (DOI 10.24432/C55S3H), amounts in New Taiwan dollars.
Categories include the codes that the published file holds without documenting them.
"""

from shared.schema import Band, Feature, Group, Schema

# Below 2**24, so that every amount is exact in the float32 that the model reads.
LARGEST_AMOUNT = 10_000_000

_MONTHS = ("September", "August", "July", "June", "May", "April")
# The published header jumps from PAY_0 to PAY_2.
_PAY_SUFFIXES = (0, 2, 3, 4, 5, 6)


def _repayment(suffix: int, month: str) -> Feature:
    text = (
        f"Repayment status in {month} 2005: months of delay; -2 no use of the card, -1 paid in full, 0 paid the minimum"
    )
    return Feature(f"PAY_{suffix}", text, minimum=-2, maximum=9)


def _bill(number: int, month: str) -> Feature:
    text = f"Bill statement in {month} 2005 (negative: a credit)"
    return Feature(f"BILL_AMT{number}", text, minimum=-LARGEST_AMOUNT, maximum=LARGEST_AMOUNT)


def _payment(number: int, month: str) -> Feature:
    return Feature(f"PAY_AMT{number}", f"Amount paid in {month} 2005", minimum=0, maximum=LARGEST_AMOUNT)


SCHEMA = Schema(
    identifier="ID",
    target="default",
    features=(
        Feature("LIMIT_BAL", "Credit granted, family's included", minimum=1, maximum=LARGEST_AMOUNT),
        Feature("SEX", "1 male, 2 female", categories=(1, 2), nominal=True),
        Feature(
            "EDUCATION",
            "1 graduate school, 2 university, 3 high school, 4 other; 0, 5 and 6 undocumented",
            categories=(0, 1, 2, 3, 4, 5, 6),
            nominal=True,
        ),
        Feature(
            "MARRIAGE",
            "1 married, 2 single, 3 other; 0 undocumented",
            categories=(0, 1, 2, 3),
            nominal=True,
        ),
        Feature("AGE", "Age in years", minimum=18, maximum=120),
        *(_repayment(suffix, month) for suffix, month in zip(_PAY_SUFFIXES, _MONTHS, strict=True)),
        *(_bill(number, month) for number, month in enumerate(_MONTHS, start=1)),
        *(_payment(number, month) for number, month in enumerate(_MONTHS, start=1)),
    ),
    groups=(
        Group("sex", "SEX", (Band("male", 1, 1), Band("female", 2, 2))),
        Group(
            "education",
            "EDUCATION",
            (
                Band("undocumented (0)", 0, 0),
                Band("graduate school", 1, 1),
                Band("university", 2, 2),
                Band("high school", 3, 3),
                Band("other", 4, 4),
                Band("undocumented (5, 6)", 5, 6),
            ),
        ),
        Group(
            "age",
            "AGE",
            (
                Band("18 to 29", 18, 29),
                Band("30 to 39", 30, 39),
                Band("40 to 49", 40, 49),
                Band("50 to 59", 50, 59),
                Band("60 and older", 60, 120),
            ),
        ),
    ),
)
