"""A tiny but complete project that every check finds clean, for tests to spoil."""

from pathlib import Path
from textwrap import dedent

import pytest

from mlops.checks import fix_project

FILES = {
    "uv.lock": """\
        version = 1
        requires-python = ">=3.11"

        [[package]]
        name = "numpy"
        version = "2.4.6"
        resolution-markers = ["python_full_version < '3.12'"]

        [[package]]
        name = "numpy"
        version = "2.5.5"
        resolution-markers = ["python_full_version >= '3.12'"]

        [[package]]
        name = "polars"
        version = "2.1.0"
        """,
    "environments/base.conda.yml": """\
        dependencies:
          - python=3.11
          - pip:
              # the matrix
              - numpy==2.4.6 # newest
              - Polars[excel]==2.1.0
        """,
    "environments/base.yml": """\
        $schema: https://azuremlschemas.azureedge.net/latest/environment.schema.json
        name: base
        version: 1.0.0
        image: ubuntu:24.04
        conda_file: base.conda.yml
        """,
    "components/shared/columns.py": "NAMES = []\n",
    "components/make/make.py": "print('made')\n",
    "components/make/component.yml": """\
        $schema: https://azuremlschemas.azureedge.net/latest/commandComponent.schema.json
        type: command
        name: make
        version: 1.0.0
        inputs:
          data:
            type: uri_file
          rows:
            type: integer
            default: 10
            min: 1
            max: 100
          kind:
            type: string
            enum: [fast, exact]
          note:
            type: string
            optional: true
        outputs:
          made:
            type: uri_folder
          log:
            type: uri_file
        code: .
        additional_includes:
          - ../shared
        environment: file:../../environments/base.yml
        command: >-
          python make.py
          --data ${{inputs.data}}
          --rows ${{inputs.rows}}
          --kind ${{inputs.kind}}
          $[[--note ${{inputs.note}}]]
          --made ${{outputs.made}}
          --log ${{outputs.log}}
        """,
    "components/fit/fit.py": "print('fitted')\n",
    "components/fit/component.yml": """\
        type: command
        name: fit
        version: 2.1.0
        inputs:
          made:
            type: uri_folder
          rate:
            type: number
            min: 0
            max: 1
        outputs:
          model:
            type: mlflow_model
        code: .
        environment: azureml:base:1.0.0
        command: python -W ignore fit.py ${{inputs.made}} ${{inputs.rate}} ${{outputs.model}}
        """,
    "pipelines/train.yml": """\
        type: pipeline
        inputs:
          data:
            type: uri_file
            path: ../data/rows.csv
          rate: 0.5
          rows: 7
        outputs:
          model:
            type: mlflow_model
          log:
            type: uri_file
          shown:
        settings:
          default_compute: azureml:cpu-cluster
        jobs:
          make:
            component: ../components/make/component.yml
            inputs:
              data: ${{parent.inputs.data}}
              rows: ${{parent.inputs.rows}}
              kind: fast
            outputs:
              log: ${{parent.outputs.log}}
          fit:
            type: command
            component: file:../components/fit/component.yml
            inputs:
              made: ${{parent.jobs.make.outputs.made}}
              rate: ${{parent.inputs.rate}}
            outputs:
              model: ${{parent.outputs.model}}
          show:
            type: command
            environment: azureml:base:1.0.0
            inputs:
              made:
                type: uri_folder
                path: ${{parent.jobs.make.outputs.made}}
              logs:
                type: uri_folder
                path: azureml://datastores/workspaceblobstore/paths/logs/${{name}}
              rate: ${{parent.inputs.rate}}
            outputs:
              shown: ${{parent.outputs.shown}}
            command: |
              # shows what was made
              ls ${{inputs.made}} ${{inputs.logs}} && \\
                echo ${{inputs.rate}} > ${{outputs.shown}}/rate
          search:
            type: sweep
            trial: ../components/fit/component.yml
            inputs:
              made: ${{parent.jobs.make.outputs.made}}
            search_space:
              rate:
                type: uniform
                min_value: 0.1
                max_value: 0.9
            objective: {goal: maximize, primary_metric: auc}
            limits: {max_total_trials: 4}
            sampling_algorithm: random
          publish:
            component: azureml:publish:1.0.0
            inputs:
              model: ${{parent.jobs.search.outputs.model}}
        """,
    "data/rows.csv": "a\n1\n",
    "data/rows.yml": """\
        type: uri_file
        name: rows
        path: rows.csv
        """,
    "endpoints/online/score.py": "def init(): ...\n",
    "endpoints/online/endpoint.yml": """\
        name: rows-endpoint
        auth_mode: key
        """,
    "endpoints/online/deployment.yml": """\
        $schema: https://azuremlschemas.azureedge.net/latest/managedOnlineDeployment.schema.json
        name: blue
        endpoint_name: rows-endpoint
        code_configuration:
          code: .
          scoring_script: score.py
        environment: file:../../environments/base.yml
        egress_public_network_access: enabled
        environment_variables:
          WORKER_COUNT: "2"
        instance_type: Standard_DS2_v2
        instance_count: 1
        """,
    "endpoints/online/deployment.kubernetes.yml": """\
        $schema: https://azuremlschemas.azureedge.net/latest/kubernetesOnlineDeployment.schema.json
        type: kubernetes
        egress_public_network_access: null
        environment_variables:
          WORKER_COUNT: "1"
        resources:
          requests: {cpu: 500m, memory: 1Gi}
          limits: {cpu: "1", memory: 2048Mi}
        """,
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A clean project whose versions are recorded."""
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
    fix_project(tmp_path)
    return tmp_path
