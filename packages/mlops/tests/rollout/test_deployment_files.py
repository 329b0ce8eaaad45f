"""The endpoint's YAML as the real SDK reads it."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from azure.ai.ml import load_online_deployment, load_online_endpoint
from azure.ai.ml.entities import (
    KubernetesOnlineDeployment,
    KubernetesOnlineEndpoint,
    ManagedOnlineDeployment,
    ManagedOnlineEndpoint,
)

from mlops.audit.record import FINISH, IMAGE, Event, follow, ran_image
from mlops.batch.deploy import ReleasedModel
from mlops.batch.deploy import load_deployment as load_batch_deployment
from mlops.core.documents import read_yaml
from mlops.core.errors import ProjectError
from mlops.core.layout import DEPLOYMENT_FILE, ENDPOINT_FILE, KUBERNETES_SUFFIX
from mlops.rollout.deployment_files import configuration_of, definition, image_of, load_deployment, load_endpoint
from mlops.rollout.plan import Plan
from mlops.settings.project import Project, Stage, load_project

ROOT = Path(__file__).parents[4]
ONLINE = ROOT / "endpoints" / "online"
PLAN = Plan(model="credit-default", version="3", digest="sha256:abc")


@pytest.fixture(scope="module")
def project() -> Project:
    return load_project(ROOT)


@pytest.fixture(scope="module")
def managed(project: Project) -> Stage:
    return project.settings.stage("staging")


def test_a_batch_deployment_keeps_what_its_pipeline_says_of_the_model(tmp_path: Path, managed: Stage):
    for name in ("components", "data", "endpoints", "environments", "pipelines"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "*.csv"))
    for name in ("project.yml", "schema.yml"):
        shutil.copy(ROOT / name, tmp_path)
    pipeline = tmp_path / "pipelines" / "score.yml"
    text, kind = pipeline.read_text(), "        type: custom_model\n"
    pipeline.write_text(text.replace(kind, f"{kind}        mode: download\n", 1))
    model = ReleasedModel("credit-default", "3", "sha256:abc", "azureml:credit-default:3")

    deployment: Any = load_batch_deployment(load_project(tmp_path), managed, "scoring", model, "blue")

    bound = deployment.component.jobs["score_batch"].inputs["model"]
    assert (bound.type, bound.path, bound.mode) == ("custom_model", "credit-default:3", "download")


@pytest.fixture(scope="module")
def kubernetes(managed: Stage) -> Stage:
    """The same stage on a cluster, with two to five replicas."""
    own = {"serving": "kubernetes", "kubernetes_compute": "scoring", "instance_type": "small"}
    return Stage.model_validate({**managed.model_dump(), **own, "instance_count": 2, "max_instances": 5})


def test_the_endpoint_loads_and_asks_for_keys():
    endpoint = load_online_endpoint(ONLINE / "endpoint.yml")

    assert (endpoint.name, endpoint.auth_mode) == ("credit-default", "key")


def test_the_deployment_loads_with_the_scoring_code_and_a_pinned_environment():
    deployment: Any = load_online_deployment(ONLINE / "deployment.yml")

    assert deployment.endpoint_name == load_online_endpoint(ONLINE / "endpoint.yml").name
    assert (ONLINE / deployment.code_configuration.code / deployment.code_configuration.scoring_script).is_file()
    assert deployment.environment.name == "mlops-serving"
    assert "onnxruntime==" in json.dumps(deployment.environment.conda_file)


def test_both_collections_use_the_stages_datastore_and_are_sampled_once(project: Project, managed: Stage):
    stage = managed.model_copy(update={"collected_datastore": "collected"})

    collector: Any = load_deployment(project, stage, "green", PLAN, "azureml:m:3", "1").data_collector

    below = f"azureml://datastores/collected/paths/modelDataCollector/{stage.online_endpoint}/green"
    paths = {name: collection.data.path for name, collection in collector.collections.items()}
    assert paths == {name: f"{below}/{name}" for name in ("model_inputs", "model_outputs")}
    # Azure samples each collection separately: at any other rate, inputs would lose their answers.
    assert collector.sampling_rate == 1.0
    assert str(collector.rolling_rate).lower() == "hour"
    # and another datastore makes another deployment
    assert configuration_of(project, stage) != configuration_of(project, managed)


def test_deployments_act_as_the_identity_that_the_stage_names(project: Project, managed: Stage):
    identity = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id"
    stage = Stage.model_validate({**managed.model_dump(), "endpoint_identity": identity})

    endpoint: Any = load_endpoint(project, stage)

    assert endpoint.identity.type == "user_assigned"
    assert [each.resource_id for each in endpoint.identity.user_assigned_identities] == [identity]
    assert load_endpoint(project, managed).identity is None


def test_traces_go_to_the_stages_application_insights_as_the_endpoints_identity(project: Project, managed: Stage):
    key = "11111111-2222-3333-4444-555555555555"
    own = {"application_insights": f"InstrumentationKey={key};IngestionEndpoint=https://westeurope.example.com/"}
    stage = Stage.model_validate({**managed.model_dump(), **own, "endpoint_client_id": key.replace("1", "9")})

    deployment: Any = load_deployment(project, stage, "green", PLAN, "azureml:m:3", "1")

    variables = deployment.environment_variables
    assert variables["DEPLOYMENT_NAME"] == "green"
    assert variables["APPLICATIONINSIGHTS_CONNECTION_STRING"] == own["application_insights"]
    assert variables["APPLICATIONINSIGHTS_AUTHENTICATION_STRING"] == (
        "Authorization=AAD;ClientId=99999999-2222-3333-4444-555555555555"
    )
    # and another connection string makes another deployment
    assert configuration_of(project, stage) != configuration_of(project, managed)
    # without one, nothing is sent; and the server itself, whose telemetry contains every answer, never sends
    plain: Any = load_deployment(project, managed, "green", PLAN, "azureml:m:3", "1")
    assert not [name for name in plain.environment_variables if name.startswith("APPLICATIONINSIGHTS")]
    assert plain.app_insights_enabled is False


def test_a_stage_gets_the_kind_that_project_yml_says(project: Project, managed: Stage, kubernetes: Stage):
    for stage, endpoint, deployment in (
        (managed, ManagedOnlineEndpoint, ManagedOnlineDeployment),
        (kubernetes, KubernetesOnlineEndpoint, KubernetesOnlineDeployment),
    ):
        assert type(load_endpoint(project, stage)) is endpoint
        assert type(load_deployment(project, stage, "blue", PLAN, "azureml:credit-default:3", "now")) is deployment


def test_a_kubernetes_deployment_takes_its_size_from_the_project(project: Project, kubernetes: Stage):
    endpoint: Any = load_endpoint(project, kubernetes)
    deployment: Any = load_deployment(project, kubernetes, "blue", PLAN, "azureml:credit-default:3", "now")

    assert endpoint.compute == "scoring"
    assert (deployment.instance_type, deployment.instance_count) == ("small", 2)
    assert (deployment.scale_settings.min_instances, deployment.scale_settings.max_instances) == (2, 5)
    assert deployment.resources.limits.cpu == deployment.environment_variables["WORKER_COUNT"]


@pytest.mark.parametrize("file", [ENDPOINT_FILE, DEPLOYMENT_FILE], ids=str)
def test_both_kinds_share_what_is_stated_once(project: Project, file: Path):
    one, other = definition(project, file, "managed"), definition(project, file, "kubernetes")
    different = read_yaml(project.path(file.with_suffix(KUBERNETES_SUFFIX))).value

    assert {key for key in one | other if one.get(key) != other.get(key)} == set(different)


def test_serving_on_kubernetes_needs_the_merge_patch(kubernetes: Stage, project: Project, tmp_path: Path):
    copy = tmp_path / ENDPOINT_FILE
    copy.parent.mkdir(parents=True)
    copy.write_bytes(project.path(ENDPOINT_FILE).read_bytes())

    with pytest.raises(ProjectError, match=r"endpoint\.kubernetes\.yml does not exist"):
        load_endpoint(project.model_copy(update={"root": tmp_path}), kubernetes)


def test_kind_and_size_of_serving_change_the_deployments_fingerprint(
    project: Project, managed: Stage, kubernetes: Stage
):
    wider = kubernetes.model_copy(update={"max_instances": 6})

    assert len({configuration_of(project, stage) for stage in (managed, kubernetes, wider)}) == 3


@pytest.mark.parametrize("serving", ["managed", "kubernetes"])
def test_as_many_requests_are_admitted_as_the_server_has_threads(
    request: pytest.FixtureRequest, project: Project, serving: str
):
    stage = request.getfixturevalue(serving)
    deployment: Any = load_deployment(project, stage, "blue", PLAN, "azureml:credit-default:3", "now")

    workers = int(deployment.environment_variables["WORKER_COUNT"])
    threads = int(deployment.environment_variables["GUNICORN_CMD_ARGS"].split()[-1])
    assert deployment.request_settings.max_concurrent_requests_per_instance == workers * threads


@pytest.mark.parametrize("path", sorted(ONLINE.glob("*.json")), ids=lambda path: path.name)
def test_sample_requests_are_json_with_rows(path):
    assert json.loads(path.read_text())["input_data"]


@pytest.mark.parametrize("on", ["managed", "kubernetes"])
def test_granian_is_a_custom_container_with_the_same_code_and_limits(
    project: Project, managed: Stage, kubernetes: Stage, on: str
):
    stage = managed if on == "managed" else kubernetes
    settings = project.settings.model_copy(update={"server": "granian"})
    fast = project.model_copy(update={"settings": settings})

    deployment: Any = load_deployment(fast, stage, "blue", PLAN, "azureml:credit-default:3", "now")

    code = deployment.code_configuration
    assert (ONLINE / code.code / code.scoring_script).is_file()
    route = deployment.environment.inference_config.scoring_route
    assert (route.port, route.path) == (5001, "/score")
    assert (Path(deployment.environment.base_path) / deployment.environment.build.path / "Dockerfile").is_file()
    assert deployment.data_collector is None
    assert "GUNICORN_CMD_ARGS" not in deployment.environment_variables
    assert deployment.environment_variables["MODEL_VERSION"] == "3"
    assert configuration_of(fast, stage) != configuration_of(project, stage)


def test_an_image_is_told_by_its_definition_and_not_by_its_name(tmp_path: Path, managed: Stage):
    # given a copy of the project
    for part in ("endpoints", "environments"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("project.yml", "schema.yml"):
        shutil.copy(ROOT / file, tmp_path)
    copy = load_project(tmp_path)
    shared = managed.model_copy(update={"images": "shared"})
    environment = tmp_path / "environments" / "serving.yml"
    text, first = environment.read_text(), image_of(copy, shared)

    # when it gets another version, and then another base image
    environment.write_text(text.replace("version: ", "version: 9"))
    renamed = image_of(copy, shared)
    environment.write_text(text.replace(".v1", ".v2"))
    rebuilt = image_of(copy, shared)

    # then only the second is another image, which no stage has run yet
    event = Event(kind="rollout", stage="dev", step=FINISH, model="m", version="1", digest="d", evidence={IMAGE: first})
    records = (follow(None, event, "a", datetime.now(UTC)),)
    assert first != renamed
    assert [ran_image(records, image) for image in (first, renamed, rebuilt, "")] == [True, True, False, False]
    assert image_of(copy, managed) == ""
