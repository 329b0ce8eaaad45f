"""A stage that a Kubernetes cluster serves: the same rollout without a mirror, from the stage's own workspace."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from azure.ai.ml.entities import KubernetesCompute, KubernetesOnlineDeployment, KubernetesOnlineEndpoint, Model

from mlops.audit.log import AuditLog
from mlops.core.errors import ProjectError, RolloutFailed
from mlops.models.registered import DIGEST_TAG
from mlops.rollout.rollback import rollback

from .world import MODEL, World, make_project

pytestmark = pytest.mark.xdist_group("rollout")

CLUSTER = (
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg/providers"
    "/Microsoft.ContainerService/managedClusters/aks"
)

ON_CLUSTER = {
    "serving": "kubernetes",
    "kubernetes_compute": "scoring",
    "instance_type": "small",
    "instance_count": 1,
    "max_instances": 3,
}


def place_on(folder: Path, **place: Any) -> None:
    """Write into project.yml how staging is served."""
    file = folder / "project.yml"
    settings = yaml.safe_load(file.read_text())
    staging = next(stage for stage in settings["stages"] if stage["name"] == "staging")
    staging.pop("kubernetes_compute", None)
    staging |= place
    file.write_text(yaml.safe_dump(settings))


@pytest.fixture(scope="module")
def world(shared_world: World, tmp_path_factory: pytest.TempPathFactory) -> World:
    """Version 1 is live on the cluster `scoring`; version 2 is registered."""
    folder = tmp_path_factory.mktemp("kubernetes") / "project"
    make_project(folder, "clusters")
    place_on(folder, **ON_CLUSTER)
    world = World(shared_world.emulator, folder)
    limits = {"cpu": "1", "memory": "4Gi"}
    types = {"instanceTypes": {"small": {"resources": {"requests": limits, "limits": limits}}}}
    cluster = KubernetesCompute(name="scoring", resource_id=CLUSTER, location="westeurope", properties=types)
    world.client.compute.begin_create_or_update(cluster).result()
    for version in "12":
        world.register(version)
    world.release("1")
    world.deploy()
    return world


def test_a_release_goes_live_without_a_mirror_and_back(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    world.release("2")
    with world.callers() as calling:
        result = world.deploy()

        # then it is live, and nobody noticed
        assert world.live_version() == "2"
        # and it went through everything but the mirror, which is said wherever one may look
        said = capfd.readouterr().err
        assert "mirrored traffic is skipped: Azure cannot mirror traffic on Kubernetes" in said
        assert "only synthetic callers judge the rollout" in said
        assert [each.partition(":")[0] for each in result.skipped_phases] == ["mirror"]
        records, _ = AuditLog(world.client).read()
        events = [record.event for record in records if record.event.version == "2"]
        begin, *steps = [event for event in events if event.kind == "rollout"]
        assert begin.step == "begin"
        assert begin.evidence["mirror"].startswith("skipped: Azure cannot mirror traffic")
        wanted = ["create", "smoke", "load", "traffic-10", "traffic-50", "traffic-100", "finish"]
        assert [event.step for event in steps] == wanted
        # and back in one call
        rollback(world.client, world.project, world.stage)
        assert world.live_version() == "1"
    assert not calling.failures


def test_it_stands_on_the_cluster_and_takes_its_model_from_the_workspace(world: World) -> None:
    endpoint: Any = world.client.online_endpoints.get(world.endpoint)
    deployment: Any = world.client.online_deployments.get("blue", world.endpoint)
    model = world.client.models.get(MODEL, "1")

    assert (type(endpoint), type(deployment)) == (KubernetesOnlineEndpoint, KubernetesOnlineDeployment)
    assert endpoint.compute.endswith("/computes/scoring")
    assert (deployment.instance_type, deployment.scale_settings.max_instances) == ("small", 3)
    assert deployment.model.endswith(f"/models/{MODEL}/versions/1")
    assert "/registries/" not in deployment.model
    assert (model.tags or {})[DIGEST_TAG] == world.digests["1"]


def test_an_endpoint_of_the_other_kind_is_refused_before_anything_happens(world: World) -> None:
    before = world.view()
    place_on(world.folder, serving="managed", instance_type="Standard_DS2_v2", max_instances=None)
    try:
        with pytest.raises(RolloutFailed, match=r"served by kubernetes \(scoring\), but in project.yml") as caught:
            world.deploy()
    finally:
        place_on(
            world.folder, serving="kubernetes", kubernetes_compute="scoring", instance_type="small", max_instances=3
        )

    assert "another `endpoint` in project.yml" in caught.value.advice
    assert world.view() == before


def test_a_rollout_that_nobody_could_judge_is_refused(world: World) -> None:
    world.release("2")
    file = world.folder / "releases" / "staging.yml"
    manifest = yaml.safe_load(file.read_text())
    manifest["rollout"]["load"]["seconds"] = 0
    file.write_text(yaml.safe_dump(manifest))

    with pytest.raises(ProjectError, match="a rollout to staging"):
        world.deploy()


def test_other_bytes_under_the_released_version_are_refused(world: World) -> None:
    # given a workspace where somebody registered another model as version 3
    other = world.folder / ".mlops" / "other"
    world.register("3")
    source = next(each for each in world.folder.rglob("schema.json") if each.parent.name == "2").parent
    other.mkdir(parents=True)
    for file in source.iterdir():
        (other / file.name).write_bytes(file.read_bytes())
    world.client.models.create_or_update(Model(name=MODEL, version="3", type="custom_model", path=str(other)))
    world.release("3")

    with pytest.raises(RolloutFailed, match="the stage's workspace has version 3"):
        world.deploy()

    assert world.live_version() == "1"
