"""What a report or a summary is about: model, digest, job, commit, data and date, with links where there is an address.

All of them take their facts from here, so that none lacks what another has.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mlops.core.git import DIRTY_SUFFIX
from mlops.core.layout import REPORT_FOLDER, private_folder
from mlops.core.markdown import clean
from mlops.githost.hosts import current_job, remote_of
from mlops.settings.project import Project
from mlops.settings.releases import Release, manifest_file, read_manifest
from mlops.settings.stages import StageName
from model_package.errors import ModelPackageError
from model_package.package import REPORT_FILE, read_provenance
from model_package.reports.pages import FACTS, Fact, keep_page, page_environment, with_facts

if TYPE_CHECKING:
    # Explanations of a package need no Azure, whose SDK takes seconds to import.
    from azure.ai.ml import MLClient

    from mlops.models.registered import Lineage, ModelVersion

TIME_FORMAT: Final = "%Y-%m-%d %H:%M UTC"
_COMMIT: Final = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Subject:
    """A registered model, and where it comes from; "" where nothing says it."""

    name: str
    version: str
    digest: str
    job: str = ""
    commit: str = ""
    data: str = ""

    @property
    def model(self) -> str:
        """Name and version."""
        return f"{self.name} {self.version}".rstrip()

    @property
    def page(self) -> str:
        """The file of the report of its training, below the folder of all reports."""
        return f"{self.name}-{self.version}.html"

    def rows(self) -> tuple[tuple[str, str], ...]:
        """The model, where it comes from, and the time now, as rows of a summary."""
        named = (
            ("model", f"{self.name} version {self.version}"),
            ("digest", self.digest),
            ("trained by job", self.job),
            ("from commit", self.commit),
            ("on data", self.data),
            ("date", datetime.now(UTC).strftime(TIME_FORMAT)),
        )
        return tuple((name, value) for name, value in named if value)


def subject_of_training(model: ModelVersion, lineage: Lineage) -> Subject:
    """A version that was just registered."""
    data = f"{lineage.data.name} {lineage.data.version}"
    return Subject(model.name, model.version, model.digest, lineage.job, lineage.git_commit, data)


def subject_of_release(release: Release) -> Subject:
    """What a manifest releases."""
    model, source = release.model, release.source
    data = f"{source.data.name} {source.data.version}"
    return Subject(model.name, model.version, model.digest, source.job, source.git_commit, data)


def subject_of_package(model: ModelVersion | Subject, package: Path) -> Subject:
    """A version whose package is on this machine."""
    try:
        found = read_provenance(package)
    except ModelPackageError:
        return Subject(model.name, model.version, model.digest)
    data = f"{found.data.name} {found.data.version}".strip()
    return Subject(model.name, model.version, model.digest, found.job, found.git_commit, data)


def find_subject(client: MLClient, project: Project, stage: StageName, model: ModelVersion) -> Subject:
    """A version that a stage runs: by its manifest, else by the tags where the stage takes its models from.

    `client` is the stage's. A summary must not fail for want of a tag: what cannot be read is left out.
    """
    from azure.core.exceptions import AzureError

    from mlops.azure.workspace import connect_registry
    from mlops.models.registered import find_lineage

    file = manifest_file(project.root, stage)
    release = read_manifest(file).release if file.is_file() else None
    if release is not None and release.model.digest == model.digest:
        return subject_of_release(release)
    try:
        source = client if stage == project.order.training else connect_registry(project.settings.registry)
        tags = find_lineage(source, model.name, model.version)
    except AzureError:
        tags = {}
    data = tags.get("data", "").replace(":", " ", 1)
    return Subject(model.name, model.version, model.digest, tags.get("job", ""), tags.get("git_commit", ""), data)


def facts_of(project: Project, subject: Subject, verb: str, *more: Fact, job_url: str | None = None) -> list[Fact]:
    """The facts of a report: the model, `more`, where it comes from, and that the report was `verb` now.

    `job_url` is the page of the job, where the service has named it.
    """
    pull_request = current_job().pull_request_url
    return [
        Fact("model", subject.model),
        *more,
        Fact("digest", subject.digest),
        Fact("job", subject.job, job_url or ""),
        commit_fact(project, subject.commit),
        Fact("data", subject.data),
        Fact(verb, datetime.now(UTC).strftime(TIME_FORMAT)),
        Fact("pull request", pull_request.rpartition("/")[2], pull_request),
        Fact("training", "report", subject.page),
    ]


def commit_fact(project: Project, commit: str) -> Fact:
    """A commit, with a link to its page where the remote is on a git host."""
    remote = remote_of(project.root) if _COMMIT.fullmatch(commit.removesuffix(DIRTY_SUFFIX)) else None
    return Fact("commit", commit, remote.host.commit_url(remote, commit.removesuffix(DIRTY_SUFFIX)) if remote else "")


def keep_report(
    project: Project, name: str, template: Path, context: Mapping[str, object], facts: Sequence[Fact]
) -> Path:
    """Write a report beside the project's others, and return its file."""
    environment = page_environment(template.parent)
    environment.filters["clean"] = clean
    text = environment.get_template(template.name).render(context)
    return keep_page(private_folder(project.path(REPORT_FOLDER)) / name, text, facts).resolve()


def add_pull_request(page: Path, url: str) -> None:
    """Name a pull request among the facts of a report that was written before it was opened."""
    text = page.read_text(encoding="utf-8")
    fact = with_facts(FACTS, [Fact("pull request", url.rpartition("/")[2], url)])
    page.write_text(text.replace("</dl>", f"{fact.partition('>')[2]}", 1), encoding="utf-8")


def keep_training_reports(
    project: Project, package: Path, subject: Subject, validation: str, studio_url: str | None, *, is_new: bool
) -> Path | None:
    """Keep the reports of the package and of its data with facts that the steps did not know; return the first.

    A version that is made again keeps its own.
    """
    file = private_folder(project.path(REPORT_FOLDER)) / subject.page
    if not is_new and file.is_file() and subject.digest in file.read_text(encoding="utf-8"):
        return file.resolve()
    if not (report := package / REPORT_FILE).is_file():
        return None
    training, checked = report.read_text(encoding="utf-8"), file.with_name(f"validation-{subject.page}")
    facts = facts_of(project, subject, "registered", Fact("validation", "report", checked.name), job_url=studio_url)
    for page, text in ((checked, validation), (file, training), (checked, validation)):
        # Each names the other, which must be there by then.
        if text:
            keep_page(page, text, facts)
    return file.resolve()
