"""Gates: what must hold before a promotion merges. Evidence is recomputed from artefacts, rules are data."""
