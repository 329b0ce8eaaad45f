"""The composition root: creates every part once, in one order, and lists every route and middleware.

Has no logic of its own. A new HTTP surface is one line here and one file in `http/`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from azureml_emulator.batch.deployments import BatchDeployments
from azureml_emulator.batch.endpoints import BatchEndpoints
from azureml_emulator.batch.jobs import BatchJobs
from azureml_emulator.control.client_variables import variables
from azureml_emulator.control.daemon import log_file
from azureml_emulator.control.ready_file import ReadyRecord
from azureml_emulator.events.delivery import Deliveries
from azureml_emulator.events.topics import Topics
from azureml_emulator.events.webhook import Webhooks
from azureml_emulator.http.auth import RequireToken, TokenRoute, check_bearer
from azureml_emulator.http.blob_service.service import BlobService
from azureml_emulator.http.control_plane.arm import Arm
from azureml_emulator.http.control_plane.azure_monitor import Monitor
from azureml_emulator.http.control_plane.beside_workspaces import BesideWorkspaces
from azureml_emulator.http.control_plane.event_grid import EventGrid
from azureml_emulator.http.control_plane.registry_storage import RegistryStorage
from azureml_emulator.http.control_plane.subscriptions import Subscriptions
from azureml_emulator.http.control_plane.templates import Templates
from azureml_emulator.http.data_plane.batch_scoring import BatchScoring
from azureml_emulator.http.data_plane.mlflow_front import MlflowFront
from azureml_emulator.http.data_plane.mlflow_proxy import MlflowProxy
from azureml_emulator.http.data_plane.mlflow_registry import RegistryApi
from azureml_emulator.http.data_plane.router import ScoringFirst, ScoringRouter
from azureml_emulator.http.data_plane.run_history import History
from azureml_emulator.http.emulator_routes import EmulatorRoutes
from azureml_emulator.http.error_answers import error_handlers
from azureml_emulator.http.local_host import RequireLocalHost
from azureml_emulator.http.metadata import Metadata
from azureml_emulator.http.recording import ExchangeRecorder
from azureml_emulator.http.requests import unknown_route
from azureml_emulator.jobs.assembly import JobParts
from azureml_emulator.jobs.launching.preloading import CodeVersions
from azureml_emulator.kernel.background import keep_running
from azureml_emulator.kernel.behaviours import Behaviour, Behaviours, ContainerBehaviour, VersionBehaviour
from azureml_emulator.kernel.clock import Clock
from azureml_emulator.kernel.operations import Operations
from azureml_emulator.kernel.resource_id import Scope
from azureml_emulator.kernel.settings import Settings
from azureml_emulator.kernel.store import Store
from azureml_emulator.processes.listeners import Listeners
from azureml_emulator.processes.log_file import keep_short
from azureml_emulator.processes.supervisor import Processes
from azureml_emulator.resources.computes import Computes
from azureml_emulator.resources.connections import Connections
from azureml_emulator.resources.datastores import Datastores
from azureml_emulator.resources.model_registry.registry import ModelRegistry
from azureml_emulator.resources.model_registry.versions import VersionWriter
from azureml_emulator.resources.models import Models
from azureml_emulator.resources.normalized_versions import Components, DataVersions, Environments
from azureml_emulator.resources.registry_import import RegistryImport
from azureml_emulator.resources.scopes import Scopes
from azureml_emulator.schedules.behaviour import Schedules
from azureml_emulator.security.certificates import ensure_certificates
from azureml_emulator.security.page_access import PageAccess
from azureml_emulator.security.secret_keys import ensure_secret_keys
from azureml_emulator.security.signatures import Signatures
from azureml_emulator.security.tokens import Tokens
from azureml_emulator.serving.assembly import ServingParts
from azureml_emulator.storage.blobs import Blobs
from azureml_emulator.storage.locator import Locator
from azureml_emulator.storage.registered_content import RegisteredContent
from azureml_emulator.storage.run_artifacts import RunArtifacts
from azureml_emulator.storage.storage_access import StorageAccess
from azureml_emulator.storage.uploads import Uploads

_ALL_METHODS = ["GET", "PUT", "POST", "PATCH", "DELETE", "HEAD"]


class Emulator:
    """Every part of one emulator, wired together."""

    def __init__(self, settings: Settings, base_url: str, clock: Clock | None = None) -> None:
        self.settings = settings
        self.base_url = base_url
        self.clock = clock or Clock()
        self._keys = ensure_secret_keys(settings.state)
        self.tokens = Tokens(self._keys.token_key, self.clock)
        self.listeners = Listeners(settings.state)
        self.listeners.open()
        self.listeners.add("emulator", int(base_url.rpartition(":")[2]))
        self.certificates = ensure_certificates(settings.state / "tls", self.clock.now())
        self._create_storage()
        self._create_assets()
        self._create_serving()
        self._create_jobs()
        self._create_mlflow()
        self._create_events()
        behaviours = self._behaviours()
        registry_import = RegistryImport(self.store, self.operations, self.locator, self.blobs, self.access, behaviours)
        self.scopes.scope_actions["import"] = registry_import.begin_import
        self.arm = Arm(self.store, self.operations, self.scopes, behaviours, base_url)

    def _create_storage(self) -> None:
        """The store, blob storage, operations and processes, on which everything else rests."""
        state = self.settings.state
        self.store = Store(state / "emulator.sqlite")
        self.blobs = Blobs(state / "blobs", self.store)
        self.uploads = Uploads(state / "uploads")
        self.signatures = Signatures(self._keys.storage_key, self.clock)
        self.access = StorageAccess(self.base_url, self.blobs, self.signatures)
        self.artifacts = RunArtifacts(self.store, self.blobs, state / "mlflow" / "artifacts")
        self.locator = Locator(self.store, self.blobs, self.artifacts)
        self.operations = Operations(self.store, self.clock)
        self.processes = Processes(self.store)
        self.scopes = Scopes(self.store, self.clock, self.blobs, self.artifacts, self.settings, self.base_url)

    def _create_assets(self) -> None:
        """The versions of assets with files of their own, which jobs register as well."""
        self.data = DataVersions(self.store, self.clock, self.access)
        self.models = Models(self.store, self.clock, self.access, self.blobs, self.uploads, self.locator)

    def _create_serving(self) -> None:
        """Online endpoints, their deployments, and the router."""
        settings = self.settings
        self.serving = ServingParts(
            settings,
            self.base_url,
            urlsplit(self.base_url).port or 0,
            self.store,
            self.clock,
            self.locator,
            self.operations,
            self.processes,
            self.listeners,
            self.tokens,
            self._client_variables(),
        )
        self.router = ScoringRouter(
            self.serving.endpoints,
            self.serving.fleet,
            self.tokens,
            model_errors_as_azure=settings.model_errors == "as_azure",
        )

    def _create_jobs(self) -> None:
        """Jobs, and what starts them: batch endpoints and schedules."""
        self.jobs = JobParts(
            self.settings,
            self.base_url,
            self.store,
            self.clock,
            self.blobs,
            self.locator,
            self.artifacts,
            self.operations,
            self.processes,
            {"data/versions": self.data, "models/versions": self.models},
            self._client_variables(),
            self.listeners,
            self.tokens,
        )
        self.batch_endpoints = BatchEndpoints(self.store, self.clock, self.base_url)
        self.batch_jobs = BatchJobs(self.store, self.clock, self.locator, self.jobs.behaviour, self.jobs.records)
        self.schedules = Schedules(self.store, self.clock, self.jobs.behaviour, self.jobs.records)

    def _client_variables(self) -> dict[str, str]:
        """What lets a program that the emulator starts use the emulator."""
        return variables(ReadyRecord.of(self.settings, self.base_url, self.certificates.bundle))

    def _create_mlflow(self) -> None:
        """MLflow's view of models, and MLflow's public address."""
        settings = self.settings
        self.containers = ContainerBehaviour(self.store, self.clock)
        writer = VersionWriter(
            self.store,
            self.clock,
            self.models,
            self.blobs,
            self.locator,
            self.artifacts,
            self.jobs.tracking.logged_model,
        )
        self.registry = RegistryApi(ModelRegistry(self.store, self.containers, writer, self.jobs.records))
        self.mlflow_front = MlflowFront(
            self.jobs.mlflow,
            self.jobs.gateway,
            self.registry,
            self.jobs.http_client,
            self.scopes,
            self.blobs,
            Scope(settings.subscription, settings.resource_group, "workspaces", settings.workspace),
            self.listeners,
            self.tokens,
            PageAccess(self._keys.token_key, self.clock),
            self.certificates,
            settings.connections,
        )

    def _create_events(self) -> None:
        """Event Grid: topics, subscriptions, and deliveries of what changes in the store."""
        webhooks = Webhooks()
        self.deliveries = Deliveries(self.store, self.blobs, self.clock, webhooks)
        self.store.watch(self.deliveries.watch)
        self.topics = Topics(self.store, webhooks, self.settings.location, self.base_url)

    def application(self) -> ASGIApp:
        """The ASGI application: scoring bypasses the framework, everything else goes through it."""
        framework = Starlette(
            routes=self.routes(),
            # Outermost first.
            middleware=[
                Middleware(ExchangeRecorder, file=self.settings.record),
                Middleware(RequireToken, tokens=self.tokens),
            ],
            exception_handlers=error_handlers(self.settings.state),
            lifespan=self._lifespan,
        )
        return RequireLocalHost(ScoringFirst(framework, self.router))

    def _behaviours(self) -> Behaviours:
        components = Components(self.store, self.clock)
        return Behaviours(
            {
                "stored": Behaviour(self.store, self.clock),
                "asset_container": self.containers,
                "asset_version": VersionBehaviour(self.store, self.clock),
                "code_version": CodeVersions(self.store, self.clock, self.access, self.locator, self.jobs.preloader),
                "component_version": components,
                "data_version": self.data,
                "environment_version": Environments(self.store, self.clock),
                "model_version": self.models,
                "scope": self.scopes,
                "batch_endpoint": self.batch_endpoints,
                "batch_deployment": BatchDeployments(self.store, self.clock, self.locator, components),
                "compute": Computes(self.store, self.clock, self.operations),
                "connection": Connections(self.store, self.clock),
                "datastore": Datastores(self.store, self.clock, self.access),
                "job": self.jobs.behaviour,
                "online_endpoint": self.serving.endpoints,
                "online_deployment": self.serving.deployments,
                "schedule": self.schedules,
            }
        )

    def routes(self) -> list[Route]:
        """Every route; the first that matches a request answers it."""
        front_door = "/mferp/managementfrontend/subscriptions"
        registered = RegisteredContent(self.store, self.blobs, self.locator)
        event_grid = EventGrid(
            self.store, self.topics, self.deliveries, self.scopes, self.tokens, strict=self.settings.strict
        )
        return [
            *EmulatorRoutes(self.store, self.base_url, self.listeners, self.mlflow_front.link).routes(),
            Route("/_emulator/metrics", self.router.metrics),
            *self.arm.listing_routes(),
            *Subscriptions(self.store, self.settings).routes(),
            *Templates(self.store, self.clock, self.scopes, self.settings).routes(),
            *BesideWorkspaces(self.store, self.base_url).routes(),
            *Monitor(self.store, self.serving.fleet, self.clock).routes(),
            *BatchScoring(self.batch_endpoints, self.batch_jobs, self.tokens, self.base_url).routes(),
            *event_grid.routes(),
            Route("/subscriptions/{rest:path}", self.arm.serve, methods=_ALL_METHODS),
            *RegistryStorage(self.store, self.scopes, self.access).routes(front_door),
            Route(f"{front_door}/{{rest:path}}", self.arm.serve, methods=_ALL_METHODS),
            *History(self.jobs.records, self.jobs.behaviour, self.jobs.job_paths, self.access).routes(),
            *MlflowProxy(self.jobs.mlflow, self.jobs.gateway, self.registry, self.jobs.records, self.scopes).routes(),
            *Metadata(self.base_url, self.settings, self.scopes).routes(),
            *TokenRoute(self.tokens, self._keys.identity_header).routes(),
            *BlobService(self.blobs, self.uploads, self.signatures, self.tokens, registered).routes(_ALL_METHODS),
            Route("/{rest:path}", self.not_modelled, methods=_ALL_METHODS),
        ]

    async def not_modelled(self, request: Request) -> Response:
        """Refuse every route that nothing else answers, also below paths that have credentials of their own."""
        check_bearer(request.headers.get("authorization", ""), self.tokens)
        raise unknown_route(request)

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncGenerator[None]:
        logs = keep_running(
            lambda: keep_short(
                lambda: [log_file(self.settings.state), *self.processes.growing_logs()], self.settings.files.log_bytes
            ),
            "keeping logs short",
        )
        self.uploads.clear()
        self.processes.reap_orphans()
        self.operations.fail_interrupted()
        self.scopes.open()
        await self.serving.open()
        await self.mlflow_front.open()
        self.jobs.open()
        self.schedules.open()
        self.deliveries.open()
        yield
        logs.cancel()
        await self.schedules.scheduler.close()
        await self.mlflow_front.close()
        await self.jobs.close()
        await self.operations.stop()
        await self.router.stop()
        await self.serving.close()
        await self.deliveries.close()
        self.processes.close()
        self.store.close()
        self.listeners.close()
