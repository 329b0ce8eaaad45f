"""Why a test of the SDK cannot pass on the emulator: a part of its name, how it counts, and the reason.

"elsewhere" needs something that only Azure, Microsoft or the internet has, and does not apply. "refused" asks for what
the emulator refuses by name, and counts as failed. A failure without a reason here is a fault of the emulator.
"""

from __future__ import annotations

from typing import Final

ELSEWHERE: Final = "elsewhere"
REFUSED: Final = "refused"
REASONS: Final[tuple[tuple[str, str, str], ...]] = (
    ("automl_job/e2etests/test_automl_image", ELSEWHERE, "downloads pictures from the internet"),
    ("test_pipeline_reuse", ELSEWHERE, "its steps read a file of the internet"),
    ("internal/e2etests/", ELSEWHERE, "component types of Microsoft's own workspaces"),
    ("singularity", ELSEWHERE, "clusters of Microsoft's own"),
    ("virtual_cluster/", ELSEWHERE, "clusters of Microsoft's own"),
    ("local_endpoint/", ELSEWHERE, "runs containers with Docker on the user's machine"),
    ("test_upload_download.py", ELSEWHERE, "a storage account by its public name"),
    ("TestDatastore::test_blob_store", ELSEWHERE, "a storage account by its public name"),
    ("registry_model_as_input", ELSEWHERE, "what a registry of Microsoft's own has"),
    ("registry_component_and_model_as_input", ELSEWHERE, "what a registry of Microsoft's own has"),
    ("test_pipeline_job_create_with_registries", ELSEWHERE, "what a registry of Microsoft's own has"),
    ("uai_workspace", ELSEWHERE, "a client with Azure's own address built in"),
    ("test_default_pipeline_job_services", ELSEWHERE, "an address of Azure's portal"),
    ("test_sweep_job_builder", ELSEWHERE, "compares with the ids of a recording"),
    ("test_environment_create_or_update_docker_context]", ELSEWHERE, "expects the hash of another upload"),
    ("test_create_get_download_evaluator_registry", ELSEWHERE, "an attribute that this SDK does not have"),
    ("test_list_evaluator", ELSEWHERE, "an attribute that this SDK does not have"),
    ("automl_text", REFUSED, "AutoML on text"),
    ("automl_job/e2etests/test_remote_text", REFUSED, "AutoML on text"),
    ("serverless_compute_in_pipeline[automl", REFUSED, "AutoML on text"),
    ("automl_image", REFUSED, "AutoML on images"),
    ("automl_vision", REFUSED, "AutoML on images"),
    ("forecasting", REFUSED, "AutoML on time series"),
    ("data_transfer_import", REFUSED, "data imports: connections lead nowhere"),
    ("data_transfer_export", REFUSED, "data exports: connections lead nowhere"),
    ("data_import/", REFUSED, "data imports: connections lead nowhere"),
    ("import_job/", REFUSED, "data imports: connections lead nowhere"),
    ("model_package/", REFUSED, "packages are container images"),
    ("index/e2etests/", REFUSED, "indexes are built on Azure"),
    ("monitoring/", REFUSED, "monitors are computed by Azure"),
    ("_from_flow", REFUSED, "prompt flows"),
    ("test_flow_", REFUSED, "prompt flows"),
    ("managed_network", REFUSED, "managed networks"),
    ("dist_ray", REFUSED, "Ray"),
    ("test_sweep_job_submit_with_resources", REFUSED, "several instances without a distribution"),
)


def reason_of(test: str) -> tuple[str, str] | None:
    """How a test that did not pass counts, and why; None where nothing is known."""
    return next(((how, why) for part, how, why in REASONS if part in f"{test}]"), None)
