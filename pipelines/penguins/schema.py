"""What a penguin is: its columns, their limits, and where the tables are."""

from __future__ import annotations

SCHEMA = "penguins"
"""Whose tables the role makes, and `reset_schema` drops."""
RECORD_SCHEMA = "penguins_record"
"""Of the record of promotions, whose tables the role does not own: no reset reaches it."""
RAW = f"{SCHEMA}.raw_penguins"
PROCESSED = f"{SCHEMA}.processed_penguins"

TARGET = "species"
SPECIES = ("Adelie", "Chinstrap", "Gentoo")
LIMITS = {
    "culmen_length_mm": (10.0, 100.0),
    "culmen_depth_mm": (5.0, 50.0),
    "flipper_length_mm": (100.0, 300.0),
    "body_mass_g": (1_000.0, 10_000.0),
}
"""Least and greatest of each measurement that a penguin can have."""
NUMBERS = tuple(LIMITS)
VALUES = {"island": ("Biscoe", "Dream", "Torgersen"), "sex": ("FEMALE", "MALE")}
CATEGORIES = tuple(VALUES)
FEATURES = (*NUMBERS, *CATEGORIES)
COLUMNS = (TARGET, "island", *NUMBERS, "sex")
"""The columns of the file, in its order."""
MISSING = ("", "NA")
UNKNOWN_SEX = "."
"""Stands once in the file; it is counted, and taken for missing."""
