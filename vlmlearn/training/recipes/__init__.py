"""The programs behind every recorded result; ``python -m vlmlearn.training.recipes 01`` re-runs a chapter's."""
