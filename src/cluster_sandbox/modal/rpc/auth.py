"""Who one is, and where: greetings, tokens, the workspace, environments."""

from __future__ import annotations

import base64
import json
from typing import Any

from grpclib import GRPCError, Status
from modal_proto import api_pb2 as pb

from .registry import Caller, Rpcs, not_found

rpcs = Rpcs(within=True)
WORKSPACE = "sandbox"


@rpcs.answer("ClientHello")
def client_hello(caller: Caller, request: Any) -> pb.ClientHelloResponse:
    return pb.ClientHelloResponse(image_builder_version=caller.service.policy.image_builder_version)


@rpcs.answer("AuthTokenGet")
def auth_token_get(caller: Caller, request: Any) -> pb.AuthTokenGetResponse:
    """A token that says when it ends and opens nothing: there is no input plane here."""
    claims = {"exp": int(caller.service.world.now() + caller.service.policy.jwt_s)}
    head, body = (_segment(part) for part in ({"alg": "none", "typ": "JWT"}, claims))
    return pb.AuthTokenGetResponse(token=f"{head}.{body}.")


def _segment(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@rpcs.answer("WorkspaceNameLookup")
def workspace_name_lookup(caller: Caller, request: Any) -> pb.WorkspaceNameLookupResponse:
    return pb.WorkspaceNameLookupResponse(workspace_name=WORKSPACE, username=WORKSPACE)


@rpcs.answer("TokenInfoGet")
def token_info_get(caller: Caller, request: Any) -> pb.TokenInfoGetResponse:
    return pb.TokenInfoGetResponse(
        token_id=caller.service.tokens.id,
        workspace_id="ac-sandbox",
        workspace_name=WORKSPACE,
        user_identity=pb.UserIdentity(user_id="us-sandbox", username=WORKSPACE),
    )


@rpcs.answer("EnvironmentGetOrCreate")
def environment_get_or_create(
    caller: Caller, request: pb.EnvironmentGetOrCreateRequest
) -> pb.EnvironmentGetOrCreateResponse:
    world = caller.service.world
    name = world.environment(request.deployment_name)
    if name not in world.environments:
        if request.object_creation_type != pb.OBJECT_CREATION_TYPE_CREATE_IF_MISSING:
            raise not_found(f"Environment '{name}'")
        world.environments.add(name)
    settings = pb.EnvironmentSettings(
        image_builder_version=caller.service.policy.image_builder_version, webhook_suffix=name
    )
    return pb.EnvironmentGetOrCreateResponse(
        environment_id=f"en-{name}", metadata=pb.EnvironmentMetadata(name=name, settings=settings)
    )


@rpcs.answer("EnvironmentCreate")
def environment_create(caller: Caller, request: pb.EnvironmentCreateRequest) -> None:
    if request.name in caller.service.world.environments:
        raise GRPCError(Status.ALREADY_EXISTS, f"Environment '{request.name}' exists")
    caller.service.world.environments.add(request.name)


@rpcs.answer("EnvironmentList")
def environment_list(caller: Caller, request: Any) -> pb.EnvironmentListResponse:
    world = caller.service.world
    items = [pb.EnvironmentListItem(name=name, default=name == world.main) for name in sorted(world.environments)]
    return pb.EnvironmentListResponse(items=items)
