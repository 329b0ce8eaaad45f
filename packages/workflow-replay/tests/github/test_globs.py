"""GitHub's filter patterns: the examples of its documentation, and special cases."""

import pytest

from workflow_replay.github.definition.model import Filters
from workflow_replay.github.globs import paths_match, ref_matches


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("feature/*", ["feature/my-branch"], ["feature/a/b", "feature", "my-feature/x"]),
        ("feature/**", ["feature/beta-a/my-branch", "feature/x"], ["features/x"]),
        ("main", ["main"], ["mainx", "amain", "releases/main"]),
        ("*", ["main", "v1.2"], ["releases/10"]),
        ("**", ["all/the/branches", "main"], []),
        ("*feature", ["mono-feature", "feature"], ["feature-x", "a/feature"]),
        ("v2*", ["v2", "v2.0", "v2.9"], ["v3", "v2/x"]),
        ("v[12].[0-9]+.[0-9]+", ["v1.10.1", "v2.0.0"], ["v3.0.0", "v1.x.1", "v1.1"]),
        ("*.jsx?", ["page.js", "page.jsx"], ["page.jsxx", "a/page.js"]),
        ("releases/?", ["releases", "releases/"], ["releases/x"]),
        ("**.js", ["index.js", "src/js/app.js"], ["index.jsx"]),
        ("docs/*", ["docs/README.md"], ["docs/a/b.md", "x/docs/a.md"]),
        ("docs/**", ["docs/README.md", "docs/a/b/c.md"], ["doc/x"]),
        ("docs/**/*.md", ["docs/README.md", "docs/a/markdown/file.md"], ["docs/a.txt"]),
        ("**/docs/**", ["docs/hello.md", "dir/docs/my-file.txt", "space/docs/plan/space.doc"], ["docsx/a"]),
        ("**/*src/**", ["a/src/app.js", "my-src/code/js/app.js"], ["src.js"]),
        ("**/migrate-*.sql", ["migrate-10909.sql", "db/sept/migrate-v1.sql"], ["db/migrate.sql"]),
        ("a\\*b", ["a*b"], ["axb"]),
        ("release-(1)", ["release-(1)"], ["release-1"]),
        ("a.b", ["a.b"], ["axb"]),
    ],
)
def test_patterns(pattern: str, matching: list[str], others: list[str]) -> None:
    assert [name for name in [*matching, *others] if ref_matches(name, (pattern,), None)] == matching


def test_the_last_pattern_that_matches_wins() -> None:
    patterns = ("releases/**", "!releases/**-alpha", "releases/10-alpha")

    assert ref_matches("releases/10", patterns, None)
    assert not ref_matches("releases/beta/3-alpha", patterns, None)
    assert ref_matches("releases/10-alpha", patterns, None)
    assert not ref_matches("main", patterns, None)


def test_ignored_refs() -> None:
    assert ref_matches("main", None, ("mona/**",))
    assert not ref_matches("mona/octocat", None, ("mona/**",))
    assert ref_matches("anything", None, None)


@pytest.mark.parametrize(
    ("files", "filters", "matches"),
    [
        (["sub-project/index.js", "x.md"], Filters(paths=("sub-project/**", "!sub-project/docs/**")), True),
        (["sub-project/docs/a.md"], Filters(paths=("sub-project/**", "!sub-project/docs/**")), False),
        (["docs/a.md"], Filters(paths_ignore=("docs/**",)), False),
        (["docs/a.md", "src/a.py"], Filters(paths_ignore=("docs/**",)), True),
        ([], Filters(paths=("**",)), False),
        (["README.md"], Filters(paths=("*",)), True),
        (["a/README.md"], Filters(paths=("*.md",)), False),
    ],
)
def test_path_filters(files: list[str], filters: Filters, matches: bool) -> None:  # noqa: FBT001 - a table
    assert paths_match(files, filters) is matches
