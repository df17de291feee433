"""The pages below `docs/reference`, made from the code: `python -m tests.support.reference` writes them."""
