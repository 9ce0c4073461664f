"""Apps: made by a deployment, published, looked up, stopped."""

from __future__ import annotations

from grpclib import GRPCError, Status
from modal_proto import api_pb2 as pb

from ..ids import new_id
from ..model import App, Version
from .registry import Caller, Rpcs, not_found

rpcs = Rpcs()
URL = "https://modal.com/apps/sandbox/{}/{}"
STATES = {
    "initializing": pb.APP_STATE_INITIALIZING,
    "deployed": pb.APP_STATE_DEPLOYED,
    "stopped": pb.APP_STATE_STOPPED,
}


@rpcs.answer("AppGetByDeploymentName")
def app_get_by_deployment_name(
    caller: Caller, request: pb.AppGetByDeploymentNameRequest
) -> pb.AppGetByDeploymentNameResponse:
    app = caller.service.world.app_named(request.name, request.environment_name)
    if app is None or app.state != "deployed":
        return pb.AppGetByDeploymentNameResponse()
    return pb.AppGetByDeploymentNameResponse(app_id=app.id, environment_name=app.environment)


@rpcs.answer("AppCreate")
def app_create(caller: Caller, request: pb.AppCreateRequest) -> pb.AppCreateResponse:
    app = _create(caller, request.description, request.environment_name)
    return pb.AppCreateResponse(app_id=app.id, app_page_url=_url(app), app_logs_url=_url(app))


def _create(caller: Caller, name: str, environment: str) -> App:
    world = caller.service.world
    environment = world.environment(environment)
    if environment not in world.environments:
        raise not_found(f"Environment '{environment}'")
    app = App(id=new_id("ap"), name=name, environment=environment, created_at=world.now())
    world.apps[app.id] = app
    world.changed()
    return app


@rpcs.answer("AppGetOrCreate")
def app_get_or_create(caller: Caller, request: pb.AppGetOrCreateRequest) -> pb.AppGetOrCreateResponse:
    """What `App.lookup` asks."""
    app = caller.service.world.app_named(request.app_name, request.environment_name)
    if app is None:
        if request.object_creation_type != pb.OBJECT_CREATION_TYPE_CREATE_IF_MISSING:
            raise not_found(f"App '{request.app_name}'")
        app = _create(caller, request.app_name, request.environment_name)
        app.state = "deployed"
    return pb.AppGetOrCreateResponse(app_id=app.id)


@rpcs.answer("AppGetLayout")
def app_get_layout(caller: Caller, request: pb.AppGetLayoutRequest) -> pb.AppGetLayoutResponse:
    layout = pb.AppLayout()
    for function in find(caller, request.app_id).functions.values():
        layout.objects.add(object_id=function.id, function_handle_metadata=function.metadata)
        layout.function_ids[function.name] = function.id
    return pb.AppGetLayoutResponse(app_layout=layout)


@rpcs.answer("AppPublish")
def app_publish(caller: Caller, request: pb.AppPublishRequest) -> pb.AppPublishResponse:
    """Make what was created since the last publication the app's functions, all at once."""
    service, app = caller.service, find(caller, request.app_id)
    if request.class_ids:
        raise GRPCError(Status.UNIMPLEMENTED, "The sandbox has no classes")
    if request.app_state not in (pb.APP_STATE_DEPLOYED, pb.APP_STATE_UNSPECIFIED):
        raise GRPCError(Status.UNIMPLEMENTED, "The sandbox runs deployed apps only")
    published = {}
    for name, function_id in request.function_ids.items():
        function = service.world.functions[function_id]
        if function.created is None:
            raise GRPCError(Status.FAILED_PRECONDITION, f"Function '{name}' was not created")
        published[name] = function
    for gone in [one for name, one in app.functions.items() if published.get(name) is not one]:
        gone.published = None
    definitions = {}
    for name, function in published.items():
        assert function.created is not None
        definitions[name] = function.published = function.created
    app.functions, app.state = published, "deployed"
    app.name = request.name or app.name
    now = service.world.now()
    app.versions.append(Version(number=len(app.versions) + 1, deployed_at=now, functions=definitions))
    service.scheduler.dismiss_outdated()
    return pb.AppPublishResponse(url=_url(app), deployed_at=now)


@rpcs.answer("AppStop")
def app_stop(caller: Caller, request: pb.AppStopRequest) -> None:
    caller.service.stop_app(find(caller, request.app_id))


@rpcs.answer("AppHeartbeat")
def app_heartbeat(caller: Caller, request: pb.AppHeartbeatRequest) -> None:
    find(caller, request.app_id)


@rpcs.answer("AppClientDisconnect")
def app_client_disconnect(caller: Caller, request: pb.AppClientDisconnectRequest) -> None:
    """An app whose first deployment came to nothing is gone; a deployed one stays."""
    app = find(caller, request.app_id)
    if app.state == "initializing":
        caller.service.stop_app(app)


@rpcs.answer("AppList")
def app_list(caller: Caller, request: pb.AppListRequest) -> pb.AppListResponse:
    world = caller.service.world
    found = [app for app in world.apps.values() if app.environment == world.environment(request.environment_name)]
    stats = [
        pb.AppListResponse.AppListItem(
            app_id=app.id,
            description=app.name,
            name=app.name,
            state=STATES[app.state],
            created_at=app.created_at,
            n_running_tasks=sum(len([c for c in f.containers if c.alive]) for f in app.functions.values()),
        )
        for app in found
    ]
    return pb.AppListResponse(apps=stats)


def find(caller: Caller, app_id: str) -> App:
    """NOT_FOUND for an app there never was."""
    app = caller.service.world.apps.get(app_id)
    if app is None:
        raise not_found(f"App {app_id}")
    return app


def _url(app: App) -> str:
    return URL.format(app.environment, app.id)
