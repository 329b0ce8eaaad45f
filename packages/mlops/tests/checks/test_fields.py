"""The table of known fields against the schemas of the installed SDK: what a newer SDK adds shows here."""

import pytest
from azure.ai.ml._schema._deployment.batch.pipeline_component_batch_deployment_schema import (
    PipelineComponentBatchDeploymentSchema,
)
from azure.ai.ml._schema._deployment.code_configuration_schema import CodeConfigurationSchema
from azure.ai.ml._schema._deployment.online.liveness_probe import LivenessProbeSchema
from azure.ai.ml._schema._deployment.online.online_deployment import (
    KubernetesOnlineDeploymentSchema,
    ManagedOnlineDeploymentSchema,
)
from azure.ai.ml._schema._deployment.online.request_settings_schema import RequestSettingsSchema
from azure.ai.ml._schema._endpoint import KubernetesOnlineEndpointSchema, ManagedOnlineEndpointSchema
from azure.ai.ml._schema._endpoint.batch.batch_endpoint import BatchEndpointSchema
from azure.ai.ml._schema.assets.data import DataSchema
from azure.ai.ml._schema.assets.environment import EnvironmentSchema
from azure.ai.ml._schema.component.command_component import CommandComponentSchema
from azure.ai.ml._schema.component.input_output import InputPortSchema, OutputPortSchema, ParameterSchema
from azure.ai.ml._schema.component.parallel_component import ParallelComponentSchema
from azure.ai.ml._schema.component.parallel_task import ComponentParallelTaskSchema
from azure.ai.ml._schema.component.spark_component import SparkComponentSchema
from azure.ai.ml._schema.job.input_output_entry import (
    DataInputSchema,
    InputLiteralValueSchema,
    MLTableInputSchema,
    ModelInputSchema,
    OutputSchema,
)
from azure.ai.ml._schema.pipeline.component_job import CommandSchema, ParallelSchema, SparkSchema, SweepSchema
from azure.ai.ml._schema.pipeline.pipeline_component import PipelineComponentSchema, PipelineSchema
from azure.ai.ml._schema.pipeline.pipeline_job import PipelineJobSchema
from azure.ai.ml._schema.pipeline.settings import PipelineJobSettingsSchema

from mlops.checks.yaml import fields

# What a step may carry for people, which the SDK keeps outside these schemas.
BEYOND = fields.DESCRIPTIVE
OF_PORTS = {name for name in vars(fields) if name.startswith(("DECLARED_", "GIVEN_"))}


# The SDK's own way to make its schemas, which marshmallow 4 removes.
@pytest.mark.filterwarnings("ignore:The .context. parameter is deprecated")
@pytest.mark.parametrize(
    ("known", "schemas"),
    [
        pytest.param(fields.PIPELINE, [PipelineJobSchema], id="pipeline"),
        pytest.param(fields.PIPELINE_SETTINGS, [PipelineJobSettingsSchema], id="settings"),
        pytest.param(fields.COMMAND_STEP, [CommandSchema], id="command step"),
        pytest.param(fields.SWEEP_STEP, [SweepSchema], id="sweep step"),
        pytest.param(fields.PIPELINE_STEP, [PipelineSchema], id="pipeline step"),
        pytest.param(fields.COMMAND_COMPONENT, [CommandComponentSchema], id="command component"),
        pytest.param(fields.PIPELINE_COMPONENT, [PipelineComponentSchema], id="pipeline component"),
        pytest.param(fields.PARALLEL_COMPONENT, [ParallelComponentSchema], id="parallel component"),
        pytest.param(fields.PARALLEL_STEP, [ParallelSchema], id="parallel step"),
        pytest.param(fields.PARALLEL_TASK, [ComponentParallelTaskSchema], id="parallel task"),
        pytest.param(fields.SPARK_COMPONENT, [SparkComponentSchema], id="spark component"),
        pytest.param(fields.SPARK_STEP, [SparkSchema], id="spark step"),
        pytest.param(fields.BATCH_ENDPOINT, [BatchEndpointSchema], id="batch endpoint"),
        pytest.param(fields.BATCH_DEPLOYMENT, [PipelineComponentBatchDeploymentSchema], id="batch deployment"),
        pytest.param(fields.DECLARED_DATA, [InputPortSchema], id="declared data"),
        pytest.param(fields.DECLARED_LITERAL, [ParameterSchema], id="declared literal"),
        pytest.param(fields.DECLARED_OUTPUT, [OutputPortSchema], id="declared output"),
        pytest.param(fields.GIVEN_DATA, [DataInputSchema], id="given data"),
        pytest.param(fields.GIVEN_DATA, [MLTableInputSchema], id="given table"),
        pytest.param(fields.GIVEN_MODEL, [ModelInputSchema], id="given model"),
        pytest.param(fields.GIVEN_LITERAL, [InputLiteralValueSchema], id="given literal"),
        pytest.param(fields.REQUEST_SETTINGS, [RequestSettingsSchema], id="request settings"),
        pytest.param(fields.PROBE, [LivenessProbeSchema], id="probe"),
        pytest.param(fields.CODE_CONFIGURATION, [CodeConfigurationSchema], id="code configuration"),
        pytest.param(fields.GIVEN_OUTPUT, [OutputSchema], id="given output"),
        pytest.param(fields.ENVIRONMENT, [EnvironmentSchema], id="environment"),
        pytest.param(fields.DATA, [DataSchema], id="data"),
        pytest.param(fields.ENDPOINT, [ManagedOnlineEndpointSchema], id="endpoint"),
        pytest.param(fields.DEPLOYMENT, [ManagedOnlineDeploymentSchema], id="deployment"),
        pytest.param(fields.KUBERNETES_ENDPOINT, [KubernetesOnlineEndpointSchema], id="Kubernetes endpoint"),
        pytest.param(fields.KUBERNETES_DEPLOYMENT, [KubernetesOnlineDeploymentSchema], id="Kubernetes deployment"),
    ],
)
def test_the_known_fields_are_those_of_the_sdk(known, schemas):
    loaded = [schema(context={"base_path": "."}).load_fields.items() for schema in schemas]
    expected = {field.data_key or name for items in loaded for name, field in items}

    assert expected - fields.ANYWHERE <= known
    assert known - expected <= (set() if known in map(vars(fields).get, OF_PORTS) else BEYOND)
