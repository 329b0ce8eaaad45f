"""Gates: what must hold before a promotion merges. Evidence is recomputed from the artefacts; rules are data."""
